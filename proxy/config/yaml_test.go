package config

import (
	"strings"
	"testing"
	"time"
)

func TestYAMLErrors(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"unknown key", "poll:\n  intervall: 5s\n", "sluice.yaml:2:3: poll.intervall: unknown key; did you mean poll.interval?"},
		{"unknown section", "pol:\n  interval: 5s\n", "sluice.yaml:1:1: pol: unknown key; did you mean poll?"},
		{"unknown, nothing near", "colour: red\n", "sluice.yaml:1:1: colour: unknown key"},
		{"percent sign in a key", "\"%d\": red\n", "sluice.yaml:1:1: %d: unknown key"},
		{"duplicate key", "poll: {interval: 5s, interval: 6s}\n", "sluice.yaml:1:22: poll.interval: duplicate key"},
		{"duplicate section", "log: {level: info}\npoll: {}\nlog: {format: json}\n", "sluice.yaml:3:1: log: duplicate key"},
		{"dotted key", "poll.interval: 5s\n", "sluice.yaml:1:1: poll.interval: a key has no dots here; write each part on a line of its own, indented"},
		{"number as key", "poll:\n  1: 2\n", "sluice.yaml:2:3: poll: a key must be a plain name, without anchor, alias, tag or merge"},
		{"merge key", "log: {<<: {level: debug}}\n", "sluice.yaml:1:7: log: a key must be a plain name, without anchor, alias, tag or merge"},
		{"complex key", "? listen\n: x\n", "sluice.yaml:1:1: a key must be a plain name, without anchor, alias, tag or merge"},
		{"scalar for a section", "poll: 5s\n", "sluice.yaml:1:1: poll: wants keys below it; leave it out to keep the defaults"},
		{"nothing for a section", "poll:\n", "sluice.yaml:1:1: poll: wants keys below it; leave it out to keep the defaults"},
		{"mapping for a value", "poll:\n  interval: {s: 5}\n", "sluice.yaml:2:13: poll.interval: wants a plain value"},
		{"list for a value", "poll:\n  interval: [5s]\n", "sluice.yaml:2:13: poll.interval: wants one value, not a list"},
		{"value for a list", "auth:\n  algorithms: HS256\n", "sluice.yaml:2:15: auth.algorithms: wants a list such as [HS256]"},
		{"empty list", "auth:\n  algorithms: []\n", "sluice.yaml:2:15: auth.algorithms: is an empty list"},
		{"list in a list", "auth:\n  algorithms: [[HS256]]\n", "sluice.yaml:2:16: auth.algorithms: wants a plain value"},
		{"null in a list", "auth:\n  algorithms:\n    - HS256\n    -\n", "sluice.yaml:2:3: auth.algorithms: has no value; write \"\" for an empty one"},
		{"null", "log:\n  level:\n", "sluice.yaml:2:3: log.level: has no value; write \"\" for an empty one"},
		{"tilde", "log:\n  level: ~\n", "sluice.yaml:2:3: log.level: has no value; write \"\" for an empty one"},
		{"anchor", "log:\n  level: &l info\n", "sluice.yaml:2:10: log.level: anchors and aliases are not supported; write the value out"},
		{"alias", "log:\n  level: *l\n", "sluice.yaml:2:10: log.level: anchors and aliases are not supported; write the value out"},
		{"tag", "log:\n  level: !!str info\n", "sluice.yaml:2:10: log.level: tags are not supported; write the value alone"},
		{"tab", "log:\n\tlevel: info\n", "sluice.yaml:2:1: not valid YAML: found character '\t' that cannot start any token"},
		{"open quote", "listen: \"127\n", "sluice.yaml:1:9: not valid YAML: could not find end character of double-quoted text"},
		{"list at the top", "- listen\n", "sluice.yaml:1:1: wants keys at the top, such as listen: 127.0.0.1:8080"},
		{"text at the top", "hello\n", "sluice.yaml:1:1: wants keys at the top, such as listen: 127.0.0.1:8080"},
		{"directive", "%YAML 1.2\n---\nlisten: x\n", "sluice.yaml:1:1: directives are not supported; take this line out"},
		{"not UTF-8", "listen: \xff\n", "sluice.yaml: not UTF-8 text"},
		{"too large", "#" + strings.Repeat("x", maxFileSize), "sluice.yaml: larger than 64 KiB"},
		{"windows line ends", "log:\r\n  level: loud\r\n", `sluice.yaml:2:10: log.level: "loud" is not one of debug, info, warn, error`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, _, got := load(t, test.content); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestSecondDocument does not pin the place: it is enough that the line is right.
func TestSecondDocument(t *testing.T) {
	_, _, got := load(t, "log: {level: debug}\n---\nlog: {level: warn}\n")
	if !strings.HasPrefix(got, "sluice.yaml:3:") || !strings.HasSuffix(got, ": a second document; keep one") {
		t.Errorf("got %q", got)
	}
}

func TestYAMLShapes(t *testing.T) {
	c := mustLoad(t, "\ufeff# head\nlisten: 'localhost:0' # end\n"+
		"auth:\n  algorithms: # both\n    - HS256\n    - \"HS512\"\n  key: |\n    line one\n    line two\n  claim: 42\n"+
		"poll: {\"paused\": true, limit_max: 90}\ndrain:\n  grace: 0\n")
	if c.Listen != "localhost:0" || c.Auth.Claim != "42" || !c.Poll.Paused || c.Poll.LimitMax != 90 || c.Drain.Grace != 0 {
		t.Errorf("got %+v", c)
	}
	if got := strings.Join(c.Auth.Algorithms, " "); got != "HS256 HS512" {
		t.Errorf("algorithms = %s", got)
	}
	if got := c.Auth.Key.Value(); got != "line one\nline two\n" {
		t.Errorf("key = %q", got)
	}
}

// TestSecretsAsWritten keeps YAML from reading a key as a number and giving another text back.
func TestSecretsAsWritten(t *testing.T) {
	for _, text := range []string{"0123", "1_000", "0x1F", "0o17", "1.50", "1e3", "+1", "-0", ".inf", ".NaN", "TRUE", "yes", "2026-01-02", "12:30:45"} {
		if got := mustLoad(t, "auth: {key: "+text+"}\n").Auth.Key.Value(); got != text {
			t.Errorf("%s became %q", text, got)
		}
	}
}

func TestSectionsCanBeEmptyMappings(t *testing.T) {
	if got := mustLoad(t, "poll: {}\n").Poll.Interval; got != 5*time.Second {
		t.Errorf("interval = %v", got)
	}
}
