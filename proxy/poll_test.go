package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/proxy/config"
	"sluice/rollout/evidence"
)

func TestPollAnswer(t *testing.T) {
	r := newRig(t)
	first := r.get("alice", "/api/notifications")
	if first.body != `{"notifications":[],"cursor":"0"}` {
		t.Errorf("first page of nobody's items: %s", first.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Poll-Interval": "5", "Sluice-Transport": "poll",
	} {
		if got := first.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	r.insert("alice", 5*time.Second, "a")
	r.insert("alice", 4*time.Second, "b")
	r.insert("alice", 3*time.Second, "c")
	p := r.get("alice", "/api/notifications?after_id=0&limit=2").page(t)
	if len(p.Notifications) != 2 || p.Notifications[0].ID != "b" || p.Notifications[1].ID != "a" || !p.HasMore || p.Reset {
		t.Errorf("want the oldest two, newest first, and more: %+v", p)
	}
	if string(p.Notifications[0].Context) != `{"job_id":"7"}` {
		t.Errorf("context %s", p.Notifications[0].Context)
	}
	p = r.get("alice", "/api/notifications?after_id="+url.QueryEscape(p.Cursor)).page(t)
	if len(p.Notifications) != 1 || p.Notifications[0].ID != "c" || p.HasMore {
		t.Errorf("%+v", p)
	}
	if empty := r.get("alice", "/api/notifications?after_id="+p.Cursor); empty.body != `{"notifications":[]}` {
		t.Errorf("empty poll: %s", empty.body)
	}
}

func TestPollFields(t *testing.T) {
	r := newRig(t)
	r.insert("alice", time.Minute, "a")
	var got struct{ Notifications []map[string]any }
	if err := json.Unmarshal([]byte(r.get("alice", "/api/notifications").body), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "level", "title", "text", "context", "created_at", "event_id", "expires_at", "seen_at", "dismissed_at"} {
		if _, ok := got.Notifications[0][name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	if len(got.Notifications[0]) != 10 {
		t.Errorf("fields that the contract does not have: %v", got.Notifications[0])
	}
}

func TestPollOlder(t *testing.T) {
	r := newRig(t)
	r.insert("alice", 5*time.Second, "a", "b")
	r.insert("alice", 3*time.Second, "c")
	reply := r.get("alice", "/api/notifications?before_id=c&limit=1")
	if p := reply.page(t); len(p.Notifications) != 1 || p.Notifications[0].ID != "b" || !p.HasMore || strings.Contains(reply.body, "cursor") {
		t.Errorf("%s", reply.body)
	}
}

func TestPollResets(t *testing.T) {
	r := newRig(t)
	r.insert("alice", 5*time.Second, "a")
	r.insert("bob", 5*time.Second, "secret")
	bobs := r.get("bob", "/api/notifications").page(t).Cursor
	for _, cursor := range []string{"nonsense", bobs, "secret", `'"`, strings.Repeat("x", 256)} {
		p := r.get("alice", "/api/notifications?after_id="+url.QueryEscape(cursor)).page(t)
		if !p.Reset || p.Cursor == "" || len(p.Notifications) != 1 || p.Notifications[0].ID != "a" {
			t.Errorf("%s: %+v", cursor, p)
		}
	}
}

func TestPollProblems(t *testing.T) {
	r := newRig(t)
	reply := r.get("alice", "/api/notifications?after_id="+strings.Repeat("x", 257))
	want := `{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"after_id: longer than 256 bytes"}`
	if reply.status != http.StatusUnprocessableEntity || reply.body != want || reply.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", reply.status, reply.body)
	}
	reply = r.get("", "/api/notifications")
	if reply.status != http.StatusUnauthorized || reply.header.Get("WWW-Authenticate") == "" || !strings.Contains(reply.body, `"status":401`) {
		t.Errorf("%d %s", reply.status, reply.body)
	}
	for _, ok := range []string{"limit=0", "limit=-1", "limit=101"} {
		if reply := r.get("alice", "/api/notifications?"+ok); reply.status != http.StatusOK {
			t.Errorf("%s: %d", ok, reply.status)
		}
	}
}

// What a faulty app or store becomes, over the whole way.
func TestPollFaults(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); w.Write([]byte(body)) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		app    http.HandlerFunc
		status int
	}{
		"refuses the credential": {answer(401, ``), 401},
		"5xx":                    {answer(500, ``), 502},
		"HTML":                   {answer(200, `<html>`), 502},
		"half a JSON":            {answer(200, `{"notifications":[{`), 502},
		"10 MB":                  {answer(200, strings.Repeat(" ", 10<<20)), 502},
		"never":                  {hang, 504},
	} {
		t.Run(name, func(t *testing.T) {
			app := httptest.NewServer(c.app)
			defer app.Close()
			r := newRig(t, func(cfg *config.Config) {
				cfg.Store.Driver, cfg.Store.DSN = "upstream", config.Secret{}
				cfg.Upstream.URL, cfg.Upstream.Timeout = app.URL, 100*time.Millisecond
				if c.status != http.StatusGatewayTimeout {
					cfg.Upstream.Timeout = time.Minute
				}
			})
			reply := r.get("alice", "/api/notifications")
			if reply.status != c.status || reply.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", reply.status, reply.body)
			}
			if retry := reply.header.Get("Retry-After"); (retry != "") != (c.status > 500) {
				t.Errorf("Retry-After: %q", retry)
			}
			result := map[bool]string{true: "error", false: "refused"}[c.status > 500]
			if !r.counts(fmt.Sprintf(`polls_total{client="native",result=%q} 1`, result)) {
				t.Errorf("is not counted as %s: %v", result, r.changed())
			}
			if got := r.gateway.counts()[evidence.PollsFailed]; (got == 1) != (result == "error") {
				t.Errorf("%v polls count as failed", got)
			}
		})
	}
	t.Run("no database", func(t *testing.T) {
		r := newRig(t, func(cfg *config.Config) { cfg.Store.DSN = config.NewSecret(t.TempDir() + "/none.db") })
		reply := r.get("alice", "/api/notifications")
		if reply.status != 503 || reply.header.Get("Retry-After") == "" || strings.Contains(reply.body, "none.db") {
			t.Errorf("%d %s", reply.status, reply.body)
		}
	})
}

// Who polls too often neither stops a rollout nor pages anybody.
func TestThrottledPollsAreNoFailures(t *testing.T) {
	r := newRig(t)
	r.gateway.metrics.polls.WithLabelValues("sluice", "throttled").Inc()
	if failed := r.gateway.counts()[evidence.PollsFailed]; failed != 0 {
		t.Errorf("%v polls failed", failed)
	}
}

func TestWhoAnswersPolls(t *testing.T) {
	ours, apps := "notifications", "the app"
	for name, c := range map[string]struct {
		flags  func(*config.Config)
		user   string
		client string
		status int
		body   string
	}{
		"no flag file":               {nil, "alice", "", 200, ours},
		"no flag file, nobody":       {nil, "", "", 401, "authentication"},
		"poll":                       {withFlags(t, "poll", "bridge"), "alice", "", 200, ours},
		"sse":                        {withFlags(t, "sse", "bridge"), "alice", "", 200, apps},
		"sse, our client":            {withFlags(t, "sse", "bridge"), "alice", "0.1.0", 200, ours},
		"flags, nobody":              {withFlags(t, "poll", "bridge"), "", "", 200, apps},
		"flags, nobody, our client":  {withFlags(t, "poll", "bridge"), "", "0.1.0", 401, "authentication"},
		"flags, nobody, our drop-in": {withFlags(t, "poll", "bridge"), "", "drop-in/1", 401, "authentication"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *config.Config) {
				if c.flags != nil {
					c.flags(cfg)
				}
			})
			reply := r.get(c.user, "/api/notifications?x=1", "Sluice-Client: "+c.client)
			if reply.status != c.status || !strings.Contains(reply.body, c.body) {
				t.Errorf("%d %s", reply.status, reply.body)
			}
			if want := "sse"; strings.HasPrefix(name, "sse, our") && reply.header.Get("Sluice-Transport") != want {
				t.Errorf("Sluice-Transport: %q", reply.header.Get("Sluice-Transport"))
			}
		})
	}
}

func TestWhoAnswersStreams(t *testing.T) {
	for name, c := range map[string]struct {
		stream, user, query string
		status              int
		bridged             bool
	}{
		"upstream":                    {"upstream", "alice", "", 200, false},
		"upstream, our client in sse": {"upstream", "alice", "?last_event_id=0", 200, true},
		"upstream, somebody's own id": {"upstream", "alice", "?last_event_id=x", 200, false},
		"bridge":                      {"bridge", "alice", "", 200, true},
		"retired":                     {"retired", "alice", "", 204, false},
		"retired, our client in sse":  {"retired", "alice", "?last_event_id=0", 204, false},
		"nobody":                      {"bridge", "", "", 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, withFlags(t, "sse", c.stream), func(cfg *config.Config) {
				cfg.Compat.MaxDuration, cfg.Compat.OldPageDuration = time.Millisecond, time.Millisecond
			})
			reply := r.get(c.user, "/api/stream"+c.query)
			if bridged := strings.HasPrefix(reply.body, ": bridge\n"); reply.status != c.status || bridged != c.bridged {
				t.Errorf("%d %s", reply.status, reply.body)
			}
		})
	}
}

func TestPausedSendsClientsToTheCeiling(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Poll.Paused = true })
	if got := r.get("alice", "/api/notifications").header.Get("X-Poll-Interval"); got != "60" {
		t.Errorf("X-Poll-Interval: %s", got)
	}
	want := `{"transport":"poll","poll_interval":60,"paused":true}`
	if reply := r.get("alice", "/_sluice/config"); reply.body != want || reply.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, want %s", reply.body, want)
	}
}

func TestOurFiles(t *testing.T) {
	r := newRig(t)
	if reply := r.get("", "/_sluice/config"); reply.status != http.StatusUnauthorized {
		t.Errorf("config without credentials: %d", reply.status)
	}
	script := r.get("", "/_sluice/client.js")
	if script.status != 200 || !strings.HasPrefix(script.header.Get("Content-Type"), "text/javascript") || len(script.body) < 1000 {
		t.Errorf("%d %s, %d bytes", script.status, script.header.Get("Content-Type"), len(script.body))
	}
	if again := r.get("", "/_sluice/client.js", "If-None-Match: "+script.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("a known script is sent again: %d", again.status)
	}
	if reply := r.get("", "/_sluice/other"); !strings.HasPrefix(reply.body, "the app") {
		t.Errorf("%d %s", reply.status, reply.body)
	}
}
