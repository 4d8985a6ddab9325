package proxy

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
	"sluice/rollout/evidence"
)

// What checks measure is what polls were answered, each kind in its place.
func TestWhatGatewaysCount(t *testing.T) {
	r := newRig(t, func(c *config.Config) {
		c.Cache.StalenessBound, c.Cache.AuditRatio = config.Bound(time.Minute), 1
	})
	r.insert("alice", time.Hour, "first")
	place := "/api/notifications?after_id=" + r.get("alice", "/api/notifications", "Sluice-Client: 1").page(t).Cursor
	r.get("alice", place)                              // empty, and audited
	r.get("alice", "/api/notifications?after_id=nope") // a reset
	r.get("alice", "/api/notifications?limit=nope")    // the client's fault
	r.get("", "/api/notifications")                    // nobody's
	r.insert("alice", 2*time.Second, "second")
	r.gateway.feed.Signal(t.Context(), "alice")
	r.get("alice", place, "Sluice-Elapsed: 5", "Sluice-Client: drop-in")
	if _, err := r.db.Exec("ALTER TABLE notifications RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	r.gateway.feed.Signal(t.Context(), "alice")
	if status := r.get("alice", place).status; status != 503 && status != 502 {
		t.Errorf("status %d", status)
	}
	r.gateway.metrics.polls.WithLabelValues("native", "throttled").Inc() // who polls too often must not take everybody back
	c := r.gateway.counts()
	for name, want := range map[string]float64{
		evidence.PollsOK: 4, evidence.PollsFailed: 1, evidence.Audits: 1, evidence.FalseEmpties: 0, evidence.SourceReads: 5,
		evidence.StalenessCount(evidence.Poll, 1.5): 0, evidence.StalenessCount(evidence.Poll, 5): 1, evidence.StalenessCount(evidence.Poll, math.Inf(1)): 1,
		evidence.StalenessCount(evidence.Bridge, math.Inf(1)): 0,
	} {
		if c[name] != want {
			t.Errorf("%s: %v, want %v", name, c[name], want)
		}
	}
	if c[evidence.Uptime] <= 0 || c[evidence.Uptime] > 60 {
		t.Errorf("up for %v s", c[evidence.Uptime])
	}
}

// A client that lies about itself has its share in what checks go by, and no more.
func TestOneClientIsNotTheEvidence(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.insert("mallory", 200*time.Second, fmt.Sprint("old-", i))
	}
	for range 20 {
		r.get("mallory", "/api/notifications", "Sluice-Elapsed: 1")
	}
	place := "/api/notifications?after_id=" + r.get("alice", "/api/notifications").page(t).Cursor
	r.insert("alice", 2*time.Second, "new")
	r.get("alice", place, "Sluice-Elapsed: 5")
	c := r.gateway.counts()
	stale := c[evidence.StalenessCount(evidence.Poll, math.Inf(1))] - c[evidence.StalenessCount(evidence.Poll, 120)]
	if stale < evidenceBurst || stale > evidenceBurst+5 { // and one more in 5 s
		t.Errorf("%v stale items of one client", stale)
	}
	if c[evidence.StalenessCount(evidence.Poll, 5)] != 1 {
		t.Error("the other's item does not count")
	}
	if !r.counts(`delivery_staleness_seconds_count{transport="poll"} 401`) {
		t.Error("the metric has not all of them")
	}
}

// Nor do the polls of one user who alone is not answered stop a rollout.
func TestOneUsersFailuresAreNotTheEvidence(t *testing.T) {
	r := newRig(t)
	if _, err := r.db.Exec("ALTER TABLE notifications RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	failed := func() float64 { return r.gateway.counts()[evidence.PollsFailed] }
	for range 50 {
		r.get("mallory", "/api/notifications")
	}
	if n := failed(); n < evidenceBurst || n > evidenceBurst+5 { // and one more in 5 s
		t.Errorf("%v failed polls of one user", n)
	}
	before := failed()
	r.get("alice", "/api/notifications")
	if failed() != before+1 {
		t.Error("the other's does not count")
	}
}

// One reader whose streams end again and again is not all old pages.
func TestOneReaderIsNotAllOldPages(t *testing.T) {
	app := httptest.NewServer(http.NotFoundHandler()) // ends each at once
	t.Cleanup(app.Close)
	r := newRig(t, withFlags(t, "sse", "upstream"), func(c *config.Config) { c.Upstream.URL = app.URL })
	for range 100 {
		r.get("mallory", "/api/stream")
	}
	r.get("alice", "/api/stream")
	ended := func() float64 { return r.gateway.counts()[evidence.StreamsEnded] }
	servertest.Eventually(t, "hers counts, and so many of the other's", func() bool { return ended() > oldPagesBurst })
	if n := ended(); n > oldPagesBurst+5 {
		t.Errorf("%v streams ended", n)
	}
}

// A live item on a bridged stream is as stale as it is old.
func TestBridgedStalenessIsCounted(t *testing.T) {
	r := newRig(t, signalled)
	next := r.openStream("alice")
	next("retry:")
	servertest.Eventually(t, "the first read", func() bool { return r.counts(`source_requests_total{outcome="ok",source="sqlite"} 1`) })
	r.insert("alice", 4*time.Second, "a")
	r.signal(`{"user_id":"alice"}`, "Bearer "+adminToken)
	next(`"id":"a"`)
	servertest.Eventually(t, "it counts", func() bool {
		c := r.gateway.counts()
		return c[evidence.StalenessCount(evidence.Bridge, 3)] == 0 && c[evidence.StalenessCount(evidence.Bridge, 7.5)] == 1
	})
}

// Only an end that the reader did not bring about is a reconnect, and streams count
// for as long as they are open.
func TestStreamTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s streamTime
		reader, goes := context.WithCancel(t.Context())
		ended, left := s.enter(t.Context()), s.enter(reader)
		time.Sleep(10 * time.Second)
		ended()
		time.Sleep(10 * time.Second)
		goes()
		left()
		time.Sleep(10 * time.Second)
		if ends, seconds := s.total(); ends != 1 || seconds != 30 {
			t.Errorf("%v ends, %v s", ends, seconds)
		}
	})
}

// The streams of old pages are counted, and no others.
func TestWhoseStreamsCount(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) {
		c.Compat.MaxDuration, c.Compat.OldPageDuration = 50*time.Millisecond, 50*time.Millisecond
	})
	place := r.get("alice", "/api/notifications", "Sluice-Client: 1").page(t).Cursor
	for _, target := range []string{"/api/stream", "/api/stream?last_event_id=" + place} {
		if body := r.get("alice", target).body; !strings.HasPrefix(body, ": bridge") {
			t.Errorf("%s: %s", target, body)
		}
	}
	servertest.Eventually(t, "one end", func() bool {
		c := r.gateway.counts()
		return c[evidence.StreamsEnded] == 1 && c[evidence.StreamSeconds] > 0.03 && c[evidence.StreamSeconds] < 5
	})
}
