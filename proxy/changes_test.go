package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/backend/feed"
	"sluice/backend/sqlstore"
	"sluice/internal/servertest"
	"sluice/proxy/config"
)

const adminToken = "the operator's"

// signalled is a configuration under which only a signal brings news soon.
func signalled(c *config.Config) {
	c.Admin.Token = config.NewSecret(adminToken)
	c.Cache.StalenessBound = config.Bound(10 * time.Minute)
	c.Poll.Interval = time.Hour
	c.Poll.Ceiling = time.Hour
}

func (r *rig) signal(body, authorization string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, "/internal/changed", strings.NewReader(body))
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	r.gateway.AdminHandler().ServeHTTP(w, req)
	return w
}

func TestASignalEndsTheWait(t *testing.T) {
	for user, signal := range map[string]string{"alice": `{"user_id":"alice"}`, "42": `{"user_id":42}`} { // as in a token
		r := newRig(t, signalled)
		place := r.get(user, "/api/notifications").page(t).Cursor
		r.insert(user, 0, "a")
		if p := r.get(user, "/api/notifications?after_id="+place).page(t); len(p.Notifications) != 0 {
			t.Fatal("the cache does not answer, so this test shows nothing")
		}
		if w := r.signal(signal, "Bearer "+adminToken); w.Code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", signal, w.Code, w.Body)
		}
		if p := r.get(user, "/api/notifications?after_id="+place).page(t); len(p.Notifications) != 1 {
			t.Errorf("a poll after %s does not see the item", signal)
		}
	}
}

func TestASignalWakesAStream(t *testing.T) {
	r := newRig(t, signalled)
	next := r.openStream("alice")
	next("retry:") // open; the first read follows
	servertest.Eventually(t, "the first read", func() bool {
		return strings.Contains(r.scrape(), `sluice_source_requests_total{outcome="ok",source="sqlite"} 1`)
	})
	r.insert("alice", 0, "a")
	r.signal(`{"user_id":"alice"}`, "Bearer "+adminToken)
	next(`"id":"a"`)
}

// What the app writes into its database, without a word to anybody, ends waits too.
func TestTheTailEndsTheWait(t *testing.T) {
	r := newRig(t, signalled, func(c *config.Config) {
		if err := sqlstore.Migrate(t.Context(), c.Store.DSN.Value(), sqlstore.Up); err != nil {
			t.Fatal(err)
		}
	})
	r.watch()
	servertest.Eventually(t, "the feed follows", r.gateway.feed.Following)
	place := r.get("alice", "/api/notifications").page(t).Cursor
	next := r.openStream("alice")
	next("retry:")
	servertest.Eventually(t, "the stream's first read", func() bool {
		return strings.Contains(r.scrape(), `sluice_source_requests_total{outcome="ok",source="sqlite"} 2`)
	})
	r.insert("alice", 0, "a")
	next(`"id":"a"`)
	if p := r.get("alice", "/api/notifications?after_id="+place).page(t); len(p.Notifications) != 1 {
		t.Error("a poll after that does not see the item")
	}
}

func TestSignalsAreRefused(t *testing.T) {
	r := newRig(t, signalled)
	for name, c := range map[string]struct {
		body, authorization string
		status              int
	}{
		"no token":      {`{"user_id":"alice"}`, "", 401},
		"wrong token":   {`{"user_id":"alice"}`, "Bearer x", 401},
		"not a bearer":  {`{"user_id":"alice"}`, "Basic " + adminToken, 401},
		"no JSON":       {`alice`, "Bearer " + adminToken, 422},
		"no user":       {`{}`, "Bearer " + adminToken, 422},
		"null":          {`{"user_id":null}`, "Bearer " + adminToken, 422},
		"a fraction":    {`{"user_id":4.2}`, "Bearer " + adminToken, 422},
		"unknown field": {`{"user":"alice"}`, "Bearer " + adminToken, 422},
		"too large":     {`{"user_id":"` + strings.Repeat("x", maxSignal) + `"}`, "Bearer " + adminToken, 422},
	} {
		w := r.signal(c.body, c.authorization)
		if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), adminToken) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := newRig(t).signal(`{"user_id":"alice"}`, "Bearer "); w.Code != http.StatusForbidden {
		t.Errorf("without admin.token: %d", w.Code)
	}
}

// A signal to one gateway, or published by the app, reaches the others.
func TestSignalsTravelThroughRedis(t *testing.T) {
	server := servertest.StartRedis(t)
	withRedis := func(c *config.Config) { signalled(c); c.Redis.URL = config.NewSecret(server.URL) }
	one, other := newRig(t, withRedis), newRig(t, withRedis)
	one.watch()
	other.watch()
	heard := func(r *rig, send func()) {
		woken, stop := r.gateway.feed.Watch("alice")
		defer stop()
		servertest.Eventually(t, "the signal arrives", func() bool {
			send()
			select {
			case <-woken:
				return true
			default:
				return false
			}
		})
	}
	heard(other, func() { one.signal(`{"user_id":"alice"}`, "Bearer "+adminToken) })
	heard(one, func() { other.gateway.redis.Publish(t.Context(), feed.Channel, "alice") })
}

func TestAuditsAreCounted(t *testing.T) {
	r := newRig(t, signalled, func(c *config.Config) { c.Cache.AuditRatio = 1 })
	place := r.get("alice", "/api/notifications").page(t).Cursor
	r.insert("alice", 0, "young")
	if p := r.get("alice", "/api/notifications?after_id="+place).page(t); len(p.Notifications) != 1 {
		t.Error("an audited poll does not get what the source has")
	}
	place = r.get("alice", "/api/notifications").page(t).Cursor
	r.insert("alice", time.Hour, "old") // slides in behind: proves nothing
	r.get("alice", "/api/notifications?after_id="+place)
	if got := r.scrape(); !strings.Contains(got, "sluice_cache_audits_total 2\n") || !strings.Contains(got, "sluice_cache_false_empty_total 0\n") {
		t.Error(got)
	}
}

// An app that does not wait for the answer has told us all the same.
func TestASignalCountsWhenItsSenderHangsUp(t *testing.T) {
	server := servertest.StartRedis(t)
	r := newRig(t, signalled, func(c *config.Config) { c.Redis.URL = config.NewSecret(server.URL) })
	place := r.get("alice", "/api/notifications").page(t).Cursor
	r.insert("alice", 0, "a")
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	published := r.gateway.redis.Subscribe(t.Context(), feed.Channel)
	defer published.Close()
	if _, err := published.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/internal/changed", strings.NewReader(`{"user_id":"alice"}`))
	req.Header.Set("Authorization", "Bearer "+adminToken)
	r.gateway.AdminHandler().ServeHTTP(httptest.NewRecorder(), req)
	if _, err := published.ReceiveTimeout(t.Context(), 5*time.Second); err != nil {
		t.Error("other gateways do not hear of it:", err)
	}
	other := newRig(t, signalled, func(c *config.Config) {
		c.Redis.URL, c.Store.DSN = config.NewSecret(server.URL), r.gateway.config.Store.DSN
	})
	if p := other.get("alice", "/api/notifications?after_id="+place).page(t); len(p.Notifications) != 1 {
		t.Error("a poll of another gateway after the signal does not see the item")
	}
}
