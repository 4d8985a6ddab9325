package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const hidden = "hunter2"

// secrets is a Config full of secrets.
func secrets() Config {
	c := Default()
	s := NewSecret(hidden)
	c.Admin.Token, c.Store.DSN, c.Redis.URL, c.Auth.Key = s, s, s, s
	return c
}

func TestSecretNeverShows(t *testing.T) {
	c := secrets()
	unexported := struct{ c Config }{c}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		for name, value := range map[string]any{"secret": c.Auth.Key, "config": c, "pointer": &c, "unexported field": unexported} {
			got := fmt.Sprintf(verb, value)
			if strings.Contains(got, hidden) || strings.Contains(got, fmt.Sprintf("%x", hidden)) {
				t.Errorf("%s of %s shows it: %s", verb, name, got)
			}
		}
	}
	encoded, err := json.Marshal(c)
	if err != nil || bytes.Contains(encoded, []byte(hidden)) || bytes.Count(encoded, []byte(redacted)) != 4 {
		t.Errorf("JSON: %s, %v", encoded, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.Auth.Key, "config", c)
	if strings.Contains(log.String(), hidden) {
		t.Errorf("log: %s", log.String())
	}
}

func TestSecretSaysWhetherItIsSet(t *testing.T) {
	tests := []struct {
		secret              Secret
		value, text, goText string
	}{
		{Secret{}, "", "", `""`},
		{NewSecret(""), "", "", `""`},
		{NewSecret(hidden), hidden, redacted, `"[redacted]"`},
	}
	for _, test := range tests {
		s := test.secret
		if s.Value() != test.value || s.String() != test.text || fmt.Sprintf("%v", s) != test.text || fmt.Sprintf("%#v", s) != test.goText {
			t.Errorf("got %q, %q, %v, %#v, want %+v", s.Value(), s.String(), s, s, test)
		}
	}
}

func TestErrorsNeverShowSecrets(t *testing.T) {
	for _, content := range []string{
		"redis: {url: \"redis://:hunter2@h:port\"}\n",
		"redis: {url: \"redis://:a/hunter2@h\"}\n",
		"redis: {url: \"redis://a?hunter2@h\"}\n",
		"redis: {url: \"hunter2\"}\n",
		"redis: {url: \"hunter2://h\"}\n",
		"redis: {url: [hunter2]}\n",
		"redis: {url: {a: hunter2}}\n",
		"upstream: {url: \"http://u:hunter2@app\"}\n",
		"upstream: {url: \"http://u:hunter2@app:port\"}\n",
		"admin: {token: hunter2, token: x}\n",
		"store: {dsn: hunter2}\n",
		"store: {driver: sqlite, dsn: \"mysql://hunter2\"}\n",
		"store: {driver: postgres, dsn: \"postgres://u:hunter2@h:port/db\"}\n",
		"store: {driver: postgres, dsn: \"postgres://u:hunt%zzhunter2@h/db\"}\n",
		"store: {driver: postgres, dsn: \"host=h password=hunter2 sslmode=what\"}\n",
		"store: {driver: postgres, dsn: \"host=h password='hunter2\"}\n",
		"auth: {key: &hunter2 x}\n",
		"auth: {key: !hunter2 x}\n",
		"auth: {key: 'hunter2}\n",
		"auth:\n  key: hunter2: x\n",
		"auth:\n  key: @hunter2\n",
		"auth: {key: hunter2, key: hunter2}\n",
	} {
		if _, _, got := load(t, content); got == "" || strings.Contains(got, hidden) {
			t.Errorf("%s: error %q, want one that does not show %s", content, got, hidden)
		}
	}
}
