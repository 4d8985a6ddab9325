package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	want := Config{
		Listen:         "127.0.0.1:8080",
		TrustedProxies: []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"},
		TLS:            TLS{Cert: NewSecret(""), Key: NewSecret("")},
		Admin:          Admin{Listen: "127.0.0.1:8081", Token: NewSecret("")},
		Upstream:       Upstream{URL: "http://127.0.0.1:8000", Timeout: 8 * time.Second},
		Store:          Store{Driver: "upstream", DSN: NewSecret("")},
		Redis:          Redis{URL: NewSecret(""), Timeout: 100 * time.Millisecond},
		Auth: Auth{Mode: "jwt", Cookie: "access_token", Claim: "user_id", Algorithms: []string{"HS256"},
			Key: NewSecret(""), OldKey: NewSecret(""), ForwardURL: "/auth/me",
			Header: "X-User-Id", Secret: NewSecret("")},
		Poll:   Poll{Interval: 5 * time.Second, Ceiling: time.Minute, LimitDefault: 50, LimitMax: 100},
		Limits: Limits{PollRate: 20, PollBurst: 100, StreamRate: 1, StreamBurst: 30, Polls: 2048, Streams: 20000, Connections: 50000},
		Tune:   Tune{StalenessTarget: 10 * time.Second, Quantile: 0.95},
		Cache:  Cache{StalenessBound: Auto, AuditRatio: 1000},
		Compat: Compat{MaxDuration: 25 * time.Second, OldPageDuration: 290 * time.Second, Heartbeat: 15 * time.Second,
			Farewell: "Reload this page to keep live updates"},
		Rollout: Rollout{Webhook: NewSecret("")},
		Drain:   Drain{Grace: 3 * time.Second, Deadline: 15 * time.Second},
		Log:     Log{Level: "info", Format: "json", PollRatio: 100},
	}
	if got := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("Default() = %+v\nwant %+v", got, want)
	}
	for name, content := range map[string]string{"empty": "", "comments": "# nothing yet\n", "document mark": "---\n"} {
		if got := mustLoad(t, content); !reflect.DeepEqual(got, want) {
			t.Errorf("%s file: %+v\nwant %+v", name, got, want)
		}
	}
	got, warnings, err := Load("", nil)
	if err != nil || len(warnings) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("Load without a file = %+v, %v, %v\nwant %+v", got, warnings, err, want)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	c := Default()
	c.Auth.Algorithms[0] = "none"
	if got := Default().Auth.Algorithms[0]; got != "HS256" {
		t.Errorf("changing one Config changed the defaults to %s", got)
	}
}

func TestPrecedence(t *testing.T) {
	const file = "poll: {interval: 7s, limit_default: 20}\n"
	c := mustLoad(t, file, "SLUICE_POLL_INTERVAL=9s", "SLUICE_POLL_LIMIT_DEFAULT=")
	if c.Poll.Interval != 9*time.Second {
		t.Errorf("interval = %v, want the environment's 9s", c.Poll.Interval)
	}
	if c.Poll.LimitDefault != 20 {
		t.Errorf("limit_default = %d, want the file's 20: an empty variable is unset", c.Poll.LimitDefault)
	}
	if c.Poll.Ceiling != time.Minute {
		t.Errorf("ceiling = %v, want the default 1m", c.Poll.Ceiling)
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	c, warnings, problem := load(t, "poll: {interval: soon, intervall: 5s}\nlog: {level: loud}\n", "SLUICE_COMPAT_HEARTBEAT=1h", "SLUICE_X=1")
	want := []string{
		"sluice.yaml:1:24: poll.intervall: unknown key; did you mean poll.interval?",
		`sluice.yaml:1:18: poll.interval: "soon" is not a duration such as 5s or 250ms`,
		`SLUICE_COMPAT_HEARTBEAT: compat.heartbeat: "1h" is outside 100ms to 15s`,
		`sluice.yaml:2:14: log.level: "loud" is not one of debug, info, warn, error`,
	}
	if got := strings.Split(problem, "\n"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", problem, strings.Join(want, "\n"))
	}
	if len(warnings) != 1 {
		t.Errorf("warnings = %q, want the one about SLUICE_X next to the errors", warnings)
	}
	if !reflect.DeepEqual(c, Config{}) {
		t.Errorf("got %+v with an error, want an empty Config", c)
	}
}

func TestCheckServe(t *testing.T) {
	c := Default()
	err := c.CheckServe()
	if err == nil {
		t.Fatal("no error without auth.key")
	}
	for _, name := range []string{"auth.key", "SLUICE_AUTH_KEY", "SLUICE_AUTH_KEY_FILE"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
	for name, test := range map[string]struct {
		auth Auth
		want string // what is missing
	}{
		"a key":                    {Auth{Mode: "jwt", Algorithms: []string{"HS256"}, Key: NewSecret("k")}, ""},
		"published keys":           {Auth{Mode: "jwt", Algorithms: []string{"RS256", "EdDSA"}, JWKSURL: "http://h"}, ""},
		"none that are published":  {Auth{Mode: "jwt", Algorithms: []string{"RS256"}, Key: NewSecret("k")}, "auth.jwks_url"},
		"one of two kinds":         {Auth{Mode: "jwt", Algorithms: []string{"HS256", "RS256"}, JWKSURL: "http://h"}, "auth.key"},
		"the other of two kinds":   {Auth{Mode: "jwt", Algorithms: []string{"HS256", "RS256"}, Key: NewSecret("k")}, "auth.jwks_url"},
		"the app is asked":         {Auth{Mode: "forward"}, ""},
		"a header":                 {Auth{Mode: "header", Secret: NewSecret("s")}, ""},
		"a header without secrets": {Auth{Mode: "header"}, "auth.secret"},
	} {
		c.Auth = test.auth
		err := c.CheckServe()
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want+": ") {
			t.Errorf("%s: %v, want an error about %q", name, err, test.want)
		}
	}
}

func TestStalenessBound(t *testing.T) {
	tests := []struct {
		bound     Bound
		interval  time.Duration
		signalled bool
		want      time.Duration
	}{
		{Auto, 5 * time.Second, false, 2 * time.Second},
		{Auto, 3 * time.Second, false, 1500 * time.Millisecond},
		{Auto, time.Second, false, 500 * time.Millisecond},
		{Auto, time.Second, true, 30 * time.Second},
		{0, 5 * time.Second, true, 0},
		{Bound(time.Minute), time.Second, false, time.Minute},
		{Bound(time.Second), time.Second, true, time.Second},
	}
	for _, test := range tests {
		c := Config{Poll: Poll{Interval: test.interval}, Cache: Cache{StalenessBound: test.bound}}
		if got := c.StalenessBound(test.signalled); got != test.want {
			t.Errorf("bound %v at interval %v = %v, want %v", test.bound, test.interval, got, test.want)
		}
	}
}
