package shim

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

const blocked = "blocked" // in place of a nonce

// judged is what permit says of policies, each on a line of its own, for a page that
// is asked for with these fields.
func judged(host, proto string, enforced []string, reported ...string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	if proto != "" {
		r.Header.Set("X-Forwarded-Proto", proto)
	}
	nonce, ok := permit(http.Header{"Content-Security-Policy": enforced, "Content-Security-Policy-Report-Only": reported}, places(r))
	if !ok {
		return blocked
	}
	return nonce
}

func TestPolicies(t *testing.T) {
	for policy, want := range map[string]string{
		"": "", ";": "", " , ;,": "", "img-src 'none'": "", "upgrade-insecure-requests; require-trusted-types-for 'script'": "",
		"script-src 'self'": "", "SCRIPT-SRC 'SELF'": "", "script-src 'self' 'nonce-abc'": "", "script-src 'self' 'sha256-abc='": "", "script-src *": "",
		"script-src 'unsafe-inline' 'self'": "", "script-src https: http:": "", "script-src 'none' 'self'": "", // 'none' counts only alone
		"script-src 'none'": blocked, "script-src": blocked, "script-src 'unsafe-inline'": blocked, "script-src 'sha256-abc='": blocked,
		"script-src cdn.test": blocked, "script-src data: blob:": blocked, "script-src 'something-new'": blocked, "script-src self": blocked,

		// The most special directive governs, and the first of a name.
		"default-src 'none'; script-src 'self'; connect-src 'self'":      "",
		"script-src 'none'; script-src-elem 'self'":                      "",
		"script-src 'self'; script-src-elem 'none'":                      blocked,
		"script-src 'self'; script-src 'none'":                           "",
		"script-src 'none'; script-src 'self'":                           blocked,
		"script-src-attr 'none'; worker-src 'none'; style-src 'none'":    "",
		"default-src 'self'":                                             "",
		"default-src 'none'":                                             blocked,
		"default-src 'none'; script-src 'self'":                          blocked, // cannot poll
		"script-src 'self', script-src 'none'":                           blocked, // two policies on a line
		"script-src 'self'; script-src-elém 'none'":                      blocked, // read in different ways
		"script-src 'self'\v":                                            blocked,
		"script-src\t'self'   'nonce-x'\t;connect-src\thttp://app.test/": "",

		// Nonces.
		"script-src 'nonce-abc'": "abc", "script-src 'NONCE-aBc'": "aBc", "script-src 'nonce-a+/-_Z=='": "a+/-_Z==", "script-src 'nonce-1' 'nonce-2'": "1",
		"script-src 'nonce-'": blocked, "script-src 'nonce-a\"b'": blocked, "script-src 'nonce-a===': ": blocked, "script-src nonce-abc": blocked, "script-src 'nonce-abc": blocked,
		"script-src 'strict-dynamic' 'nonce-abc' 'self' https:": "abc",
		"script-src 'strict-dynamic' 'self' http: *":            blocked,
		"script-src 'Strict-Dynamic' 'self'":                    blocked,
		"default-src 'nonce-abc'; connect-src 'self'":           "abc",
		"default-src 'nonce-abc'":                               blocked, // cannot poll
		"script-src 'nonce-1', script-src 'self'":               "1",
		"script-src 'nonce-1', script-src 'nonce-1' 'nonce-2'":  "1",
		"script-src 'nonce-2' 'nonce-1', script-src 'nonce-1'":  "1",
		"script-src 'nonce-1', script-src 'nonce-2'":            blocked,
		"script-src 'nonce-1', script-src 'nonce-2', *":         blocked,

		"connect-src 'none'": blocked, "connect-src 'self'": "", "connect-src https://elsewhere.test": blocked, "connect-src ws: wss:": blocked,
		"connect-src app.test/api/notifications": blocked, "connect-src app.test/api/ app.test/_sluice/": "", "connect-src 'nonce-abc'": blocked,

		"sandbox": blocked, "sandbox allow-scripts": blocked, "sandbox allow-same-origin": blocked, "sandbox allow-forms allow-scripts Allow-Same-Origin": "",
	} {
		if got := judged("app.test", "", []string{policy}); got != want {
			t.Errorf("%s: %q, want %q", policy, got, want)
		}
	}
}

// Every line of the header counts.
func TestSeveralPolicies(t *testing.T) {
	for _, c := range []struct {
		policies []string
		want     string
	}{
		{nil, ""},
		{[]string{"script-src 'self'", "script-src 'nonce-1'"}, "1"},
		{[]string{"script-src 'nonce-1' 'nonce-2' 'nonce-3'", "script-src 'nonce-3' 'nonce-2'"}, "3"},
		{[]string{"script-src 'self'", "", "default-src 'none'"}, blocked},
	} {
		if got := judged("app.test", "", c.policies); got != c.want {
			t.Errorf("%q: %q, want %q", c.policies, got, c.want)
		}
	}
}

// A policy that only reports forbids nothing; where it costs nothing, it is pleased.
func TestReportOnly(t *testing.T) {
	for _, c := range []struct{ enforced, reported, want string }{
		{"", "script-src 'none'; connect-src 'none'; sandbox", ""},
		{"", "script-src 'nonce-1'", "1"},
		{"script-src 'self'", "script-src 'nonce-1'", "1"},
		{"script-src 'nonce-1' 'nonce-2'", "script-src 'nonce-2'", "2"},
		{"script-src 'nonce-1'", "script-src 'nonce-2'", "1"},
		{"script-src 'nonce-1'", "script-src 'self'", "1"},
		{"script-src 'none'", "script-src 'self'", blocked},
	} {
		if got := judged("app.test", "", []string{c.enforced}, c.reported); got != c.want {
			t.Errorf("%s, reported %s: %q, want %q", c.enforced, c.reported, got, c.want)
		}
	}
}

func TestSources(t *testing.T) {
	const either = "" // nothing says whether browsers come over http or https
	for _, c := range []struct {
		host, proto, source string
		want                bool
	}{
		{"app.test", either, "app.test", true},
		{"app.test", either, "APP.test", true},
		{"App.Test", either, "app.test", true},
		{"app.test", either, "http://app.test", true}, // also for https
		{"app.test", either, "https://app.test", false},
		{"app.test", "https", "https://app.test", true},
		{"app.test", "HTTPS, http", "https://app.test", true},
		{"app.test", "http", "https://app.test", false},
		{"app.test", "ftp", "https://app.test", false},
		{"app.test", "https", "http://app.test", true},
		{"app.test", either, "http:", true},
		{"app.test", either, "https:", false},
		{"app.test", "https", "https:", true},
		{"app.test", "https", "ws:", false},
		{"app.test", "https", "HTTPS:", true},

		{"app.test", either, "other.test", false},
		{"app.test", either, "app.test.other", false},
		{"www.app.test", either, "app.test", false},
		{"www.app.test", either, "*.app.test", true},
		{"a.b.app.test", either, "http://*.App.test", true},
		{"app.test", either, "*.app.test", false},
		{"wwwapp.test", either, "*.app.test", false},
		{"app.test", either, "*.test", true},
		{"app.test", either, "*:80", false}, // not over https
		{"app.test", "http", "*:80", true},
		{"app.test", either, "*:*", true},
		{"app.test", either, "http://*", true},
		{"app.test", either, "a*.test", false},
		{"app.test", either, "*.*", false},
		{"app_1.test", either, "app_1.test", false}, // no host in the standard's grammar
		{"127.0.0.1:8080", either, "127.0.0.1:8080", false},
		{"127.0.0.1:8080", either, "*:8080", false},
		{"127.0.0.1:8080", either, "*", true},
		{"127.0.0.1:8080", either, "'self'", true},
		{"[::1]:8080", either, "[::1]:8080", false},
		{"[::1]:8080", either, "http:", true},

		{"app.test:8080", either, "app.test:8080", true},
		{"app.test:8080", either, "app.test", false},
		{"app.test:8080", either, "app.test:*", true},
		{"app.test:8080", either, "app.test:80", false},
		{"app.test:8080", either, "app.test:", false},
		{"app.test", "http", "app.test:80", true},
		{"app.test", "https", "app.test:443", true},
		{"app.test", "https", "app.test:80", false},
		{"app.test", either, "app.test:443", false},
		{"app.test:443", "https", "app.test", true},
		{"app.test:80", "http", "app.test", true},

		{"app.test", either, "app.test/", true},
		{"app.test", either, "app.test/_sluice/", true},
		{"app.test", either, "app.test/_sluice", false},
		{"app.test", either, "app.test/_sluice/eventsource.js", true},
		{"app.test", either, "app.test/_sluice/eventsource.js/", false},
		{"app.test", either, "app.test/_sluice/EventSource.js", false},
		{"app.test", either, "app.test/%5Fsluice/eventsource%2ejs", true},
		{"app.test", either, "app.test/_sluice%2Feventsource.js", false},
		{"app.test", either, "app.test/_sluice/%zz", false},
		{"app.test", either, "app.test/static/", false},
		{"app.test", either, "app.test/_sluice/eventsource.js?x", false},
		{"app.test", either, "app.test/_sluice/#", false},
		{"app.test", either, "http://app.test:*/_sluice/", true},
		{"app.test", either, "/_sluice/", false},
		{"app.test", either, "http://", false},
		{"app.test", either, "://app.test", false},
		{"app.test", either, ":", false},
		{"", either, "", false},
	} {
		if got := judged(c.host, c.proto, []string{"script-src " + c.source}) != blocked; got != c.want {
			t.Errorf("a page of %s over %q, script-src %s: %v", c.host, c.proto, c.source, got)
		}
	}
}

// Browsers that know Integrity-Policy would want a hash in the tag.
func TestIntegrityPolicy(t *testing.T) {
	for value, want := range map[string]bool{"blocked-destinations=(script)": false, "blocked-destinations=(Script style)": false, "blocked-destinations=(style)": true, "": true} {
		if _, ok := permit(http.Header{"Integrity-Policy": {value}}, nil); ok != want {
			t.Errorf("%s: %v", value, ok)
		}
	}
}

// Whatever a policy says, nothing of it gets into the page but a nonce.
func FuzzPolicies(f *testing.F) {
	f.Add("script-src 'self' 'nonce-abc'; connect-src app.test:8080/api/", "script-src 'strict-dynamic' 'nonce-a\"b'", "app.test:8080")
	f.Fuzz(func(t *testing.T, one, two, host string) {
		nonce := judged(host, "", []string{one}, two)
		if nonce != "" && nonce != blocked && !nonceSource.MatchString("'nonce-"+nonce+"'") {
			t.Errorf("nonce %q", nonce)
		}
	})
}
