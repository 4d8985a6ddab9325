package config

import (
	"strings"
	"testing"
)

// TestValues gives each key good values and bad ones.
func TestValues(t *testing.T) {
	tests := []struct{ key, good, bad string }{ // values, by blank
		{"listen", ":0 :65535 [::1]:80 localhost:8080 0.0.0.0:9", "8080 localhost localhost:http :65536 :-1 ::1:80 :"},
		{"admin.listen", ":0 127.0.0.1:1", "x :99999"},
		{"upstream.url", "http://app https://app:8443 http://app/ http://[::1]:80 HTTP://app", "app app:8000 /x http:// http:app ftp://app http://app:65536 http://app:x http://u@app http://u:p@app http://app/x http://app// http://app? http://app?q http://app# http://app/#f unix:///s"},
		{"upstream.timeout", "100ms 5m", "0 99ms 5m1s -1s 10"},
		{"upstream.begin", "0 30s 1h", "-1s 61m 30"},
		{"redis.url", "redis://h redis://h:1/2 rediss://u:p@h:1 unix:///s redis://h?master_name=m&addr=g:1 redis://h?cluster=true", "h:6379 http://h redis://h/x redis://h?colour=red redis://h:p:q redis-sentinel://h redis://a,b redis://h?addr=b redis+cluster://h redis://h?read_only=true"},
		{"redis.timeout", "1ms 5s", "0 5001ms 999us"},
		{"auth.cookie", "sid __Host-sid", `a;b a=b "q" ü`},
		{"auth.algorithms", "HS256 HS256,RS384,EdDSA", "none hs256 HS256,none"},
		{"auth.jwks_url", "http://h https://h:1/x?y", "h /x ftp://h http:// http:h https://u:p@h"},
		{"auth.forward_url", "/ /me?x=1 https://id.example/me", "me //h/me ftp://h https://u:p@h"},
		{"auth.header", "X-User-Id remote_user", "Cookie authorization HOST connection a:b ü"},
		{"trusted_proxies", "10.0.0.0/8 10.0.0.1/32,fd00::/8 0.0.0.0/0", "10.0.0.1 10.0.0.1/8 10.0.0.0/33 x/8 10.0.0.0/8,"},
		{"cors.origins", "https://app.example http://localhost:3000,https://b.example:8443 http://[::1]:8080 https://xn--bcher-kva.example http://app.example:443", "* null app.example https://* https://*.example https://app.example/ https://app.example/x https://app.example? https://app.example# https://app.example: https://u@app.example https://app.example:443 http://app.example:80 https://App.example HTTPS://app.example https://bücher.example ftp://app.example https://app.example:65536 https://app.example,*"},
		{"poll.interval", "1s 60s", "0 500ms 1500ms 3601s -5s 5"},
		{"poll.ceiling", "5s 1h", "3601s 5500ms 500ms"},
		{"poll.paused", "true false", "yes 1 True"},
		{"poll.limit_default", "1 100", "0 101 -1 5.0"},
		{"poll.limit_max", "50 100", "0 101 1000"},
		{"cache.staleness_bound", "auto 0 0s 1ms 10m", "10m1s -1s -1ns 30 never"},
		{"limits.poll_rate", "0 0.1 1000", "-1 1001 x NaN"},
		{"limits.polls", "1 1000000", "0 -1 1.5"},
		{"cache.audit_ratio", "0 1 1000000", "-1 1000001 x"},
		{"compat.max_duration", "1s 5m", "0 999ms 301s"},
		{"compat.old_page_duration", "1s 300s", "999ms 301s"},
		{"compat.heartbeat", "100ms 15s", "0 99ms 16s"},
		{"rollout.shadow_ratio", "0 0.05 1 1e-3", "-0.1 1.01 x NaN Inf 5%"},
		{"rollout.webhook", "http://h https://h:1/x?y", "h /x ftp://h http:// http:h"},
		{"drain.grace", "0 15s", "301s -1s"},
		{"drain.deadline", "3s 10m", "999ms 601s"},
		{"log.level", "debug info warn error", "INFO trace"},
		{"log.format", "json console", "text"},
		{"log.poll_ratio", "0 1 1000000", "-1 1000001 x"},
	}
	for _, test := range tests {
		for _, value := range strings.Fields(test.good) {
			if _, _, got := load(t, "", envName(test.key)+"="+value); got != "" {
				t.Errorf("%s=%s refused: %s", test.key, value, got)
			}
		}
		for _, value := range strings.Fields(test.bad) {
			_, _, got := load(t, "", envName(test.key)+"="+value)
			if want := envName(test.key) + ": " + test.key + ": "; !strings.HasPrefix(got, want) {
				t.Errorf("%s=%s: got %q, want an error at %s", test.key, value, got, want)
			}
		}
	}
}

func TestEmptyClaim(t *testing.T) {
	if _, _, got := load(t, `auth: {claim: ""}`); got != "sluice.yaml:1:15: auth.claim: is empty" {
		t.Errorf("got %q", got)
	}
}

func TestTogether(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"a short secret", "auth: {secret: short}\n", "sluice.yaml:1:16: auth.secret: must have at least 16 bytes"},
		{"an old key alone", "auth: {old_key: k}\n", "sluice.yaml:1:17: auth.old_key: is set, and auth.key is not"},
		{"same listener", "listen: 127.0.0.1:8081\n", "sluice.yaml:1:9: listen: must not be the same address"},
		{"every interface", "admin:\n  listen: :8080\n", "sluice.yaml:2:11: admin.listen: must not be the same address"},
		{"every interface, spelled out", "listen: 0.0.0.0:8081\n", "sluice.yaml:1:9: listen: must not be the same address"},
		{"two free ports", "listen: :0\nadmin: {listen: :0}\n", ""},
		{"two interfaces", "listen: 127.0.0.2:8081\n", ""},
		{"ceiling below interval", "poll: {ceiling: 4s}\n", "sluice.yaml:1:17: poll.ceiling: poll.ceiling must not be below poll.interval"},
		{"interval above ceiling", "poll: {interval: 61s}\n", "sluice.yaml:1:18: poll.interval: poll.ceiling must not be below poll.interval"},
		{"ceiling at interval", "poll: {interval: 60s}\n", ""},
		{"default above max", "poll: {limit_max: 49}\n", "sluice.yaml:1:19: poll.limit_max: poll.limit_default must not be above poll.limit_max"},
		{"deadline below grace", "drain: {grace: 16s}\n", "sluice.yaml:1:16: drain.grace: drain.deadline must not be below drain.grace"},
		{"dsn for upstream", "store: {dsn: app.db}\n", "sluice.yaml:1:14: store.dsn: store.driver upstream takes no store.dsn"},
		{"sqlite without dsn", "store: {driver: sqlite}\n", "sluice.yaml:1:17: store.driver: store.driver sqlite needs store.dsn, the path of the app's database"},
		{"sqlite with a server", "store: {driver: sqlite, dsn: \"postgres://u:hunter2@h/db\"}\n", "sluice.yaml:1:30: store.dsn: store.driver sqlite takes a path or a file: URL"},
		{"postgres without dsn", "store: {driver: postgres}\n", "sluice.yaml:1:17: store.driver: store.driver postgres needs store.dsn, the address of the app's database"},
		{"postgres with a path", "store: {driver: postgres, dsn: app.db}\n", "sluice.yaml:1:32: store.dsn: store.driver postgres takes a URL such as postgres://user@host:5432/app, or text such as host=db dbname=app"},
		{"postgres with another server", "store: {driver: postgres, dsn: \"mysql://u:hunter2@h/db\"}\n", "sluice.yaml:1:32: store.dsn: store.driver postgres takes a URL such as postgres://user@host:5432/app, or text such as host=db dbname=app"},
		{"postgres with a URL", "store: {driver: postgres, dsn: \"postgresql://u:p@h1:1,h2/db?sslmode=require&target_session_attrs=primary\"}\n", ""},
		{"postgres with text", "store: {driver: postgres, dsn: \"host=/run/postgresql dbname=app\"}\n", ""},
		{"sqlite with a URL", "store: {driver: sqlite, dsn: \"file:///var/app.db\"}\n", ""},
		{"waits until keys are right", "poll: {ceiling: 4s}\nlog: {level: loud}\n", `sluice.yaml:2:14: log.level: "loud" is not one of debug, info, warn, error`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, _, got := load(t, test.content); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestOriginOfFileForm names the variable that gave the file's name, for a rule about the value.
func TestOriginOfFileForm(t *testing.T) {
	_, _, got := load(t, "", "SLUICE_STORE_DSN_FILE="+write(t, "dsn", "app.db"))
	if want := "SLUICE_STORE_DSN_FILE: store.dsn: store.driver upstream takes no store.dsn"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShortKeyWarns(t *testing.T) {
	for length, want := range map[int]int{1: 1, minKey - 1: 1, minKey: 0} {
		_, warnings, problem := load(t, "auth: {key: "+strings.Repeat("k", length)+"}\n")
		if len(warnings) != want || problem != "" {
			t.Errorf("%d bytes: warnings %q, error %q, want %d warnings", length, warnings, problem, want)
		}
		if want > 0 && !strings.HasPrefix(warnings[0], "sluice.yaml:1:13: auth.key: shorter than 32 bytes") {
			t.Errorf("warning %q", warnings[0])
		}
	}
}
