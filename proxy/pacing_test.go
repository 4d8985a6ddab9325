package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"sluice/backend"
	"sluice/backend/guard"
	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// loads is what the guard says next.
func (r *rig) loads(l guard.Load) { r.gateway.pacing.load = func() guard.Load { return l } }

// wantInterval is what a poll, a client in sse mode and the metric say.
func (r *rig) wantInterval(what string, seconds int, paused bool) {
	r.t.Helper()
	n := strconv.Itoa(seconds)
	if got := r.get("alice", "/api/notifications").header.Get("X-Poll-Interval"); got != n {
		r.t.Errorf("%s: X-Poll-Interval: %s, want %s", what, got, n)
	}
	if got, want := r.get("alice", "/_sluice/config").body, `{"transport":"poll","poll_interval":`+n+`,"paused":`+strconv.FormatBool(paused)+`}`; got != want {
		r.t.Errorf("%s: %s, want %s", what, got, want)
	}
	if !r.counts("poll_interval_advised_seconds " + n) {
		r.t.Errorf("%s: the metric is not %s", what, n)
	}
}

func TestLoadRaisesTheInterval(t *testing.T) {
	r, now := newRig(t), time.Now()
	for _, step := range []struct {
		load guard.Load
		want int
	}{
		{guard.Load{Took: 1999 * time.Millisecond}, 5},
		{guard.Load{Took: 2000 * time.Millisecond}, 7},
		{guard.Load{Refused: 1}, 14},
		{guard.Load{Resting: true}, 28},
		{guard.Load{}, 28},
	} {
		now = now.Add(50 * time.Second)
		r.loads(step.load)
		r.gateway.pacing.observe(now)
		r.wantInterval("under load", step.want, false)
	}
	for range 20 {
		now = now.Add(2 * time.Minute)
		r.gateway.pacing.observe(now)
	}
	r.wantInterval("afterwards", 5, false)
	raised := r.logs.FilterMessage("the source is under load, clients are asked to poll more rarely").Len()
	lowered := r.logs.FilterMessage("clients poll at the configured interval again").Len()
	if raised != 1 || lowered != 1 {
		t.Errorf("told %d and %d times", raised, lowered)
	}
}

// The guard's load reaches the pacer: an app that hangs has raised the interval
// before any poll of it has failed.
func TestASlowAppIsSpared(t *testing.T) {
	release := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte(`{"notifications":[]}`))
	}))
	t.Cleanup(app.Close)
	r := newRig(t, func(c *config.Config) {
		c.Upstream.URL, c.Store.Driver, c.Store.DSN = app.URL, "upstream", config.Secret{}
		c.Upstream.Timeout = 4 * time.Second
	})
	r.watch()
	done := make(chan reply)
	go func() { done <- r.get("alice", "/api/notifications") }()
	servertest.Eventually(t, "the interval is raised", func() bool { return r.gateway.pacing.advice().seconds > 5 })
	close(release)
	if reply := <-done; reply.status != http.StatusOK || reply.header.Get("X-Poll-Interval") != strconv.Itoa(r.gateway.pacing.advice().seconds) {
		t.Errorf("%d, X-Poll-Interval %s", reply.status, reply.header.Get("X-Poll-Interval"))
	}
}

// Who failed together is not to come back together.
func TestRetryAfterIsSpread(t *testing.T) {
	r := newRig(t)
	r.gateway.source = failing{}
	seen := map[int]bool{}
	for range 200 {
		seconds, err := strconv.Atoi(r.get("alice", "/api/notifications").header.Get("Retry-After"))
		if err != nil || seconds < 5 || seconds > 10 {
			t.Fatalf("Retry-After: %d, %v", seconds, err)
		}
		seen[seconds] = true
	}
	if len(seen) != 6 {
		t.Errorf("only %v", seen)
	}
}

type failing struct{}

func (failing) Read(context.Context, backend.Caller, backend.Query) (backend.Page, error) {
	return backend.Page{}, &backend.Error{Fault: backend.Unavailable}
}

// Streams read as often as clients poll.
func TestStreamsFollowTheInterval(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) {
		c.Poll.Interval, c.Poll.Ceiling, c.Compat.OldPageDuration = time.Hour, time.Hour, 10*time.Second
	})
	quicker := r.gateway.config
	quicker.Poll.Interval = time.Second
	r.gateway.apply(quicker)
	r.insert("alice", time.Minute, "a")
	next := r.openStream("alice")
	next(`"id":"a"`)
	r.insert("alice", 0, "b")
	next(`"id":"b"`)
}
