package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/proxy/config"
)

const ourPage = "https://pages.example"

func withOrigins(c *config.Config) { c.CORS.Origins = []string{ourPage, "http://localhost:3000"} }

// corsOf is what an answer says about other origins, a line each.
func corsOf(h http.Header) string {
	var lines []string
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Vary"} {
		for _, value := range h[name] {
			lines = append(lines, strings.TrimPrefix(name, "Access-Control-")+": "+value)
		}
	}
	return strings.Join(lines, "\n")
}

const (
	readable   = "Allow-Origin: " + ourPage + "\nAllow-Credentials: true\nExpose-Headers: Date, Retry-After, Sluice-Transport, X-Poll-Interval\nVary: Origin"
	unreadable = "Vary: Origin"
)

// A page of a listed origin may read all that is ours, refusals too; others are told
// nothing, and a cache keeps the answers apart.
func TestPagesOfListedOriginsMayRead(t *testing.T) {
	r := newRig(t, withOrigins, func(c *config.Config) { c.Limits.PollRate, c.Limits.PollBurst = 0.001, 1 })
	for _, c := range []struct {
		user, target string
		status       int
	}{
		{"alice", "/api/notifications", 200}, {"alice", "/api/notifications", 429}, {"", "/api/notifications", 401}, {"bob", "/api/notifications?limit=x", 422},
		{"", "/api/stream", 401}, {"alice", "/_sluice/config", 200}, {"", "/_sluice/config", 401}, {"", "/_sluice/client.js", 200}, {"", "/_sluice/eventsource.js", 200},
	} {
		if got := r.get(c.user, c.target, "Origin: "+ourPage); got.status != c.status || corsOf(got.header) != readable {
			t.Errorf("%s of %q: %d, want %d\n%s", c.target, c.user, got.status, c.status, corsOf(got.header))
		}
	}
	for _, origin := range []string{
		"https://elsewhere.example", "http://pages.example", ourPage + ":8443", ourPage + ".evil.example", "https://evil-pages.example", "null", "*", ourPage + "/", strings.ToUpper(ourPage), "",
		ourPage + ", https://elsewhere.example",
	} {
		if got := r.get("carol", "/_sluice/config", "Origin: "+origin); corsOf(got.header) != unreadable || got.status != 200 {
			t.Errorf("%q: %d\n%s", origin, got.status, corsOf(got.header))
		}
	}
	ctx := t.Context()
	stream := r.open(ctx, "alice", "/api/stream", "Origin: "+ourPage)
	defer stream.Body.Close()
	if corsOf(stream.Header) != readable || stream.StatusCode != 200 {
		t.Errorf("a stream: %s\n%s", stream.Status, corsOf(stream.Header))
	}
}

// Two origins in one request are none.
func TestTwoOriginsAreNone(t *testing.T) {
	r := newRig(t, withOrigins)
	x := perform(t, r.public.URL, raw("", "GET /_sluice/client.js HTTP/1.1", "Host: x", "Origin: "+ourPage, "Origin: https://elsewhere.example"))
	if corsOf(x.Header) != unreadable {
		t.Error(corsOf(x.Header))
	}
}

// Without the key nothing is said, to nobody.
func TestNobodyMayReadByDefault(t *testing.T) {
	r := newRig(t)
	for _, target := range []string{"/api/notifications", "/_sluice/client.js"} {
		if got := r.get("alice", target, "Origin: "+ourPage); corsOf(got.header) != "" {
			t.Errorf("%s: %s", target, corsOf(got.header))
		}
	}
}

// preflight asks as a browser does before a page may send Sluice-Client.
func preflight(t *testing.T, r *rig, target, origin string) exchange {
	t.Helper()
	return perform(t, r.public.URL, raw("", "OPTIONS "+target+" HTTP/1.1", "Host: x", "Origin: "+origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: sluice-client, sluice-elapsed"))
}

func TestPreflights(t *testing.T) {
	r := newRig(t, withOrigins)
	for _, target := range []string{"/api/notifications?after_id=x", "/api/stream", "/_sluice/config"} {
		want := "Allow-Origin: " + ourPage + "\nAllow-Credentials: true\nExpose-Headers: Date, Retry-After, Sluice-Transport, X-Poll-Interval\n" +
			"Allow-Methods: GET\nAllow-Headers: Authorization, Last-Event-ID, Sluice-Client, Sluice-Elapsed\nMax-Age: 600\nVary: Origin"
		if x := preflight(t, r, target, ourPage); x.Status != http.StatusNoContent || corsOf(x.Header) != want {
			t.Errorf("%s: %d\n%s", target, x.Status, corsOf(x.Header))
		}
	}
	for name, x := range map[string]exchange{
		"another origin":  preflight(t, r, "/api/notifications", "https://elsewhere.example"),
		"another path":    preflight(t, r, "/api/other", ourPage),
		"no preflight":    perform(t, r.public.URL, raw("", "OPTIONS /api/notifications HTTP/1.1", "Host: x", "Origin: "+ourPage)),
		"nothing allowed": preflight(t, newRig(t), "/api/notifications", ourPage),
	} {
		if !strings.HasPrefix(x.Body, "the app: OPTIONS /api/") || corsOf(x.Header) != "" {
			t.Errorf("%s: %d %s\n%s", name, x.Status, x.Body, corsOf(x.Header))
		}
	}
}

// What the app answers it answers for itself: its routes, and ours for users who are
// passed on.
func TestTheAppsOwnRulesStay(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://the-apps.example")
		w.Header().Set("Vary", "Cookie")
		io.WriteString(w, "the app")
	}))
	defer app.Close()
	r := newRig(t, withOrigins, withFlags(t, "sse", "upstream"), func(c *config.Config) { c.Upstream.URL = app.URL })
	for _, target := range []string{"/x", "/api/notifications", "/api/stream"} {
		got := r.get("alice", target, "Origin: "+ourPage)
		if want := "Allow-Origin: https://the-apps.example\nVary: Cookie"; got.body != "the app" || corsOf(got.header) != want {
			t.Errorf("%s: %s\n%s", target, got.body, corsOf(got.header))
		}
	}
	if got := r.get("alice", "/api/notifications", "Origin: "+ourPage, "Sluice-Client: 1"); corsOf(got.header) != readable {
		t.Errorf("our client: %s", corsOf(got.header))
	}
}

// An origin that is taken off the list is off it without a restart.
func TestOriginsAreReloaded(t *testing.T) {
	r := newRig(t, withOrigins)
	next := r.gateway.config
	next.CORS.Origins = []string{"https://elsewhere.example"}
	r.gateway.apply(next)
	for origin, want := range map[string]string{ourPage: unreadable, "https://elsewhere.example": strings.ReplaceAll(readable, ourPage, "https://elsewhere.example")} {
		if got := r.get("alice", "/_sluice/config", "Origin: "+origin); corsOf(got.header) != want {
			t.Errorf("%s: %s", origin, corsOf(got.header))
		}
	}
}

// A page that a browser shows beside the operator's may have nothing done, not even with
// the right token.
func TestOtherOriginsChangeNothing(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Admin.Token = config.NewSecret("the token") })
	post := func(target string, headers ...string) int {
		req := httptest.NewRequest(http.MethodPost, target, strings.NewReader(`{"user_id":"alice"}`))
		req.Header.Set("Authorization", "Bearer the token")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		r.gateway.AdminHandler().ServeHTTP(w, req)
		if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", target, w.Body)
		}
		return w.Code
	}
	for _, said := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://elsewhere.example", "Origin: null"} {
		for _, target := range []string{"/internal/changed", "/rollout/abort", "/rollout/promote"} {
			if status := post(target, said); status != http.StatusForbidden {
				t.Errorf("%s with %s: %d", target, said, status)
			}
		}
	}
	for _, said := range []string{"X: y", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", "Origin: http://example.com"} { // httptest's host
		if status := post("/internal/changed", said); status != http.StatusNoContent {
			t.Errorf("with %s: %d", said, status)
		}
	}
}
