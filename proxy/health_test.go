package proxy

import (
	"net/http"
	"strings"
	"testing"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

func TestHealth(t *testing.T) {
	noCache := func(c *config.Config) { c.Redis.URL = config.NewSecret("redis://127.0.0.1:1") }
	none := t.TempDir() + "/none.db"
	noStore := func(c *config.Config) { c.Store.DSN = config.NewSecret(none) }
	const cacheDown = `"cache":"Redis is down: polls that this process cannot answer go to the source"`
	const noFeed = `,"feed":"down: cached answers are believed for a shorter time"` // nobody follows it in this test
	for name, c := range map[string]struct {
		change []func(*config.Config)
		status int
		body   string
	}{
		"all is well":       {nil, 200, `{"cache":"ok"` + noFeed + `,"ready":true}`},
		"the cache is down": {[]func(*config.Config){noCache}, 200, `{` + cacheDown + noFeed + `,"ready":true}`},
		"the store is down": {[]func(*config.Config){noStore}, 503, `{"cache":"ok"` + noFeed + `,"ready":false,"reason":"store: stat ` + none + `: no such file or directory"}`},
		"both of them":      {[]func(*config.Config){noCache, noStore}, 503, `{` + cacheDown + noFeed + `,"ready":false,"reason":"store: stat ` + none + `: no such file or directory"}`},
		"the app is the store": {[]func(*config.Config){func(c *config.Config) {
			c.Store.Driver, c.Store.DSN, c.Upstream.URL = "upstream", config.Secret{}, "http://127.0.0.1:1"
		}}, 200, `{"cache":"ok","ready":true}`}, // polls say 502; without Sluice, they would not be answered either
	} {
		r := newRig(t, c.change...)
		if reply := r.admin("/readyz"); reply.status != c.status || reply.body != c.body {
			t.Errorf("%s: %d %s, want %d %s", name, reply.status, reply.body, c.status, c.body)
		}
		if reply := r.admin("/healthz"); reply.status != http.StatusOK || reply.body != "ok\n" {
			t.Errorf("%s: alive: %d %s", name, reply.status, reply.body)
		}
	}
}

func TestHealthTellsOfTheFeed(t *testing.T) {
	r := newRig(t)
	r.watch()
	servertest.Eventually(t, "the feed is heard", func() bool { return strings.Contains(r.admin("/readyz").body, `"feed":"ok"`) })
}

// While it drains it is alive and not ready.
func TestHealthWhileDraining(t *testing.T) {
	r := newRig(t)
	r.gateway.draining.Store(true)
	if reply := r.admin("/readyz"); reply.status != http.StatusServiceUnavailable || !strings.Contains(reply.body, `"ready":false,"reason":"draining"`) {
		t.Errorf("%d %s", reply.status, reply.body)
	}
	if reply := r.admin("/healthz"); reply.status != http.StatusOK {
		t.Errorf("alive: %d", reply.status)
	}
}

func TestProfilesWhenAskedFor(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Admin.Pprof = true })
	for path, want := range map[string]string{
		"/debug/pprof/": "full goroutine stack dump", "/debug/pprof/goroutine?debug=1": "goroutine profile: total", "/debug/pprof/cmdline": ".test",
	} {
		if reply := r.admin(path); reply.status != http.StatusOK || !strings.Contains(reply.body, want) {
			t.Errorf("%s: %d %.200s", path, reply.status, reply.body)
		}
	}
}

// The operator's pages are on the operator's listener only.
func TestListenersAreApart(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if reply := r.get("alice", path); reply.body != "the app: GET "+path {
			t.Errorf("%s in public: %s", path, reply.body)
		}
	}
	for _, path := range []string{"/", "/api/notifications", "/debug/pprof/"} {
		if reply := r.admin(path); reply.status != http.StatusNotFound {
			t.Errorf("%s for operators: %d", path, reply.status)
		}
	}
}
