package config

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// samples has a value for every key that can be set: not the default, and with the keys it needs beside it.
var samples = map[string]struct{ value, beside string }{
	"listen":                   {value: "0.0.0.0:9000"},
	"admin.listen":             {value: ":9001"},
	"admin.pprof":              {value: "true"},
	"admin.token":              {value: "an operator's token"},
	"admin.token_file":         {value: "FILE"},
	"tls.cert":                 {value: pairA.cert, beside: "tls.key=" + pairA.key},
	"tls.cert_file":            {value: "FILE", beside: "tls.key=" + pairA.key},
	"tls.key":                  {value: pairA.key, beside: "tls.cert=" + pairA.cert},
	"tls.key_file":             {value: "FILE", beside: "tls.cert=" + pairA.cert},
	"upstream.url":             {value: "https://app.example:8443/"},
	"upstream.timeout":         {value: "1m30s"},
	"upstream.begin":           {value: "30s"},
	"store.driver":             {value: "sqlite", beside: "store.dsn=app.db"},
	"store.dsn":                {value: "file:app.db?mode=ro", beside: "store.driver=sqlite"},
	"store.dsn_file":           {value: "FILE", beside: "store.driver=sqlite"},
	"redis.url":                {value: "rediss://user:pass@cache.example:6380/2"},
	"redis.url_file":           {value: "FILE"},
	"redis.timeout":            {value: "250ms"},
	"auth.mode":                {value: "forward"},
	"auth.cookie":              {value: "sid"},
	"auth.claim":               {value: "sub"},
	"auth.algorithms":          {value: "HS512,HS384"},
	"auth.key":                 {value: "0123"},
	"auth.key_file":            {value: "FILE"},
	"auth.old_key":             {value: "4567", beside: "auth.key=0123"},
	"auth.old_key_file":        {value: "FILE", beside: "auth.key=0123"},
	"auth.jwks_url":            {value: "https://issuer.example/jwks.json"},
	"auth.forward_url":         {value: "https://id.example/me"},
	"auth.header":              {value: "X-Remote-User"},
	"trusted_proxies":          {value: "10.0.0.0/8,fd00::/8"},
	"cors.origins":             {value: "https://app.example,http://localhost:3000"},
	"auth.secret":              {value: "0123456789abcdef"},
	"auth.secret_file":         {value: "FILE"},
	"auth.audience":            {value: "web"},
	"auth.issuer":              {value: "https://issuer.example"},
	"poll.interval":            {value: "10s"},
	"poll.ceiling":             {value: "2m"},
	"poll.paused":              {value: "true"},
	"poll.limit_default":       {value: "20"},
	"poll.limit_max":           {value: "80"},
	"tune.staleness_target":    {value: "20s"},
	"tune.quantile":            {value: "0.99"},
	"tune.poll_budget":         {value: "12.5"},
	"cache.staleness_bound":    {value: "1500ms"},
	"cache.audit_ratio":        {value: "10"},
	"compat.max_duration":      {value: "20s"},
	"compat.old_page_duration": {value: "1s"},
	"compat.heartbeat":         {value: "100ms"},
	"limits.poll_rate":         {value: "0.5"},
	"limits.poll_burst":        {value: "7"},
	"limits.stream_rate":       {value: "0"},
	"limits.stream_burst":      {value: "9"},
	"limits.polls":             {value: "11"},
	"limits.streams":           {value: "12"},
	"limits.connections":       {value: "13"},
	"compat.farewell":          {value: "Please reload"},
	"compat.say_farewell":      {value: "true"},
	"compat.inject_shim":       {value: "true"},
	"rollout.flags":            {value: "flags.json"},
	"rollout.spec":             {value: "rollout.yaml"},
	"rollout.state":            {value: "rollout.state"},
	"rollout.shadow_ratio":     {value: "0.25"},
	"rollout.webhook":          {value: "https://hooks.example/x"},
	"rollout.webhook_file":     {value: "FILE"},
	"drain.grace":              {value: "0"},
	"drain.deadline":           {value: "1m"},
	"log.level":                {value: "debug"},
	"log.format":               {value: "console"},
	"log.poll_ratio":           {value: "7"},
}

// fileContents is what the file forms read in TestRoundTrip.
var fileContents = map[string]string{"store.dsn_file": "app.db", "redis.url_file": "redis://cache", "auth.key_file": "filekey", "auth.old_key_file": "old", "auth.secret_file": "0123456789abcdefg", "admin.token_file": "file token",
	"rollout.webhook_file": "http://hooks.example/y", "tls.cert_file": pairA.cert, "tls.key_file": pairA.key}

func TestEveryOptionIsDescribed(t *testing.T) {
	keys, names := map[string]bool{}, map[string]bool{}
	for _, o := range options {
		if keys[o.key] || names[o.env] {
			t.Errorf("%s or %s exists twice", o.key, o.env)
		}
		keys[o.key], names[o.env] = true, true
		if o.doc == "" || !strings.HasSuffix(o.doc, ".") || strings.Contains(o.doc, "|") {
			t.Errorf("%s: doc %q should be a sentence without |", o.key, o.doc)
		}
		if strings.Contains(o.key, "..") || strings.HasSuffix(o.key, ".") {
			t.Errorf("%q: a field has no key", o.key)
		}
		if o.check != "" && checks[o.check] == nil {
			t.Errorf("%s: no check %q", o.key, o.check)
		}
		for _, limit := range []string{o.low, o.high} {
			if _, err := o.parse([]string{limit}); o.low != "" && err != nil {
				t.Errorf("%s: limit: %v", o.key, err)
			}
		}
		if _, ok := samples[o.key]; !ok {
			t.Errorf("%s: no sample", o.key)
		}
	}
}

func TestSecretsHaveFileForms(t *testing.T) {
	for _, key := range []string{"admin.token", "auth.key", "auth.old_key", "auth.secret", "store.dsn", "redis.url", "rollout.webhook", "tls.cert", "tls.key"} {
		if !isKey(key + "_file") {
			t.Errorf("%s has no file form", key)
		}
	}
	for _, o := range options {
		if o.hasFile && o.typ != reflect.TypeFor[Secret]() {
			t.Errorf("%s has a file form, but would be printed", o.key)
		}
	}
}

// TestRoundTrip sets every key through the environment and through YAML and finds it in its field.
func TestRoundTrip(t *testing.T) {
	for _, o := range options {
		t.Run(o.key, func(t *testing.T) {
			sample := samples[o.key]
			text := sample.value
			if o.fileOf != "" {
				text = write(t, "secret", fileContents[o.key]+"\n")
			}
			var beside []string
			if key, value, ok := strings.Cut(sample.beside, "="); ok {
				beside = append(beside, envName(key)+"="+value)
			}
			fromEnv := mustLoad(t, "", append(beside, o.env+"="+text)...)
			fromYAML := mustLoad(t, asYAML(o, text), beside...)
			if !reflect.DeepEqual(fromEnv, fromYAML) {
				t.Errorf("environment gives %+v\nYAML gives %+v", fromEnv, fromYAML)
			}
			want := sample.value
			if o.fileOf != "" {
				want = fileContents[o.key]
			}
			if got := fieldText(o, fromEnv); got != want {
				t.Errorf("field holds %q, want %q", got, want)
			}
		})
	}
}

// asYAML writes one key in nested form, unquoted if it is one line.
func asYAML(o option, text string) string {
	if o.list() {
		text = "[" + text + "]"
	}
	if strings.Contains(text, "\n") {
		text = strconv.Quote(text)
	}
	section, name, nested := strings.Cut(o.key, ".")
	if !nested {
		return section + ": " + text + "\n"
	}
	return section + ":\n  " + name + ": " + text + "\n"
}

// fieldText is a field as samples write it.
func fieldText(o option, c Config) string {
	field := reflect.ValueOf(c).FieldByIndex(o.field)
	switch v := field.Interface().(type) {
	case Secret:
		return v.Value()
	case []string:
		return strings.Join(v, ",")
	}
	sample, err := o.parse([]string{samples[o.key].value})
	if err == nil && sample.Equal(field) {
		return samples[o.key].value
	}
	return "something else"
}

// TestDefaultsCanBeWritten lets people spell out a default.
func TestDefaultsCanBeWritten(t *testing.T) {
	for _, o := range options {
		text := o.fallback
		if text == "" && !o.list() {
			text = `""`
		}
		if got := mustLoad(t, asYAML(o, text)); !reflect.DeepEqual(got, Default()) {
			t.Errorf("%s: %s gives %+v, want the defaults", o.key, text, got)
		}
	}
}
