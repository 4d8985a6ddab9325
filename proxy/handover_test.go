package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// fresh is a configuration that sees an item at the next poll.
func fresh(c *config.Config) { c.Cache.StalenessBound = 0 }

// browser is one credential for a whole test: with another one, it is another browser.
func (r *rig) browser(user string) string { return "Authorization: Bearer " + tokenFor(r.t, user) }

// From an old tab on the bridge to a new tab, and back.
func TestHandOverFromTheBridge(t *testing.T) {
	server := servertest.StartRedis(t)
	for name, redis := range map[string]string{"in process": "", "in Redis": server.URL} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, withFlags(t, "poll", "bridge"), fresh, func(c *config.Config) {
				c.Compat.OldPageDuration = time.Second
				c.Redis.URL = config.NewSecret(redis)
			})
			same := r.browser("alice")
			r.insert("alice", time.Hour, "old")
			next := r.openStream("", same)
			next(`"id":"old"`)
			r.insert("alice", 10*time.Minute, "shown")
			again := r.openStream("", same) // another tab: no proof, so it repeats
			again(`"id":"shown"`)
			p := r.get("", "/api/notifications?resume=legacy", same).page(t)
			if p.Reset || p.Cursor == "" {
				t.Errorf("%+v", p)
			}
			place := p.Cursor
			r.insert("alice", time.Second, "new")
			p = r.get("", "/api/notifications?after_id="+place, same).page(t)
			if len(p.Notifications) != 1 || p.Notifications[0].ID != "new" {
				t.Errorf("after the hand-over: %+v", p)
			}
			r.openStream("", same)(`"id":"new"`) // and back: an old tab of the same browser
		})
	}
}

// legacyApp streams what it is told to, in the legacy envelope.
func legacyApp(events <-chan string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		http.NewResponseController(w).Flush()
		for {
			select {
			case e := <-events:
				fmt.Fprintf(w, "data: %s\n\n", e)
				http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
}

// From an old tab on the app's own stream to a new tab: what went by is not
// shown again, and what the app left out is.
func TestHandOverFromPassThrough(t *testing.T) {
	events := make(chan string)
	app := httptest.NewServer(legacyApp(events))
	t.Cleanup(app.Close)
	r := newRig(t, withFlags(t, "poll", "upstream"), fresh, func(c *config.Config) { c.Upstream.URL = app.URL })
	same := r.browser("alice")
	r.insert("alice", time.Hour, "a", "b", "c")
	if _, err := r.db.Exec(`UPDATE notifications SET created_at = (SELECT min(created_at) FROM notifications)`); err != nil {
		t.Fatal(err)
	}
	next := r.openStream("", same)
	var at string
	if err := r.db.QueryRow(`SELECT created_at FROM notifications LIMIT 1`).Scan(&at); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "c"} { // the app forgot b
		events <- fmt.Sprintf(`{"type":"notification.created","data":{"id":%q,"created_at":%q}}`, id, at)
		next(fmt.Sprintf(`"id":%q`, id))
	}
	servertest.Eventually(t, "what went by is noted", func() bool {
		p := r.get("", "/api/notifications?resume=legacy", same).page(t)
		var ids []string
		for _, n := range p.Notifications {
			ids = append(ids, n.ID)
		}
		got := strings.Join(ids, " ") // newest first
		return got == "c b"
	})
}

// A rollback works while Sluice cannot read notifications, which may be the reason for
// it: polls say so although they fail, and the app's own stream is passed on to our
// client too. When they can be read again, its place counts again.
func TestTheWayBackNeedsNoStore(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "upstream"))
	r.insert("alice", time.Minute, "a")
	place := r.get("alice", "/api/notifications", "Sluice-Client: 0.1.0").page(t).Cursor
	stream := func() string {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		resp := r.open(ctx, "alice", "/api/stream?last_event_id="+place)
		defer resp.Body.Close()
		first := make([]byte, 8)
		_, _ = io.ReadFull(resp.Body, first)
		return string(first)
	}
	if got := stream(); got != ": bridge" {
		t.Errorf("%q, want the bridge", got)
	}
	if _, err := r.db.Exec(`ALTER TABLE notifications RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	if got := r.get("alice", "/api/notifications", "Sluice-Client: 0.1.0"); got.status < 500 || got.header.Get("Sluice-Transport") != "sse" {
		t.Errorf("a poll: %d, %q", got.status, got.header.Get("Sluice-Transport"))
	}
	if got := stream(); got != "the app:" {
		t.Errorf("%q, want the app's stream", got)
	}
	if _, err := r.db.Exec(`ALTER TABLE gone RENAME TO notifications`); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the bridge again", func() bool { return stream() == ": bridge" })
}
