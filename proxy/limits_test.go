package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/backend"
	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// Whatever a user does, they get no more than burst and rate allow, and after the
// wait they are told there is a token.
func TestBucketsHoldTheirRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSecond, burst := rapid.Float64Range(0.1, 50).Draw(t, "rate"), rapid.IntRange(1, 20).Draw(t, "burst")
		b, start := newBuckets(perSecond, burst), time.Unix(1e9, 0)
		now, taken := start, 0
		for range rapid.IntRange(1, 200).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2e9).Draw(t, "pause")))
			wait := b.take("a", now)
			if wait > 0 && rapid.Bool().Draw(t, "waits") {
				now = now.Add(wait + time.Microsecond)
				if again := b.take("a", now); again > 0 {
					t.Fatalf("told to wait %v, and then %v more", wait, again)
				}
				wait = 0
			}
			if wait == 0 {
				taken++
			}
		}
		if most := float64(burst) + perSecond*now.Sub(start).Seconds(); float64(taken) > most+0.01 {
			t.Fatalf("%d taken, want at most %.2f", taken, most)
		}
	})
}

func TestBucketsAreEachUsersOwn(t *testing.T) {
	b, now := newBuckets(1, 2), time.Unix(1e9, 0)
	for range 10 {
		b.take("a", now)
	}
	if b.take("a", now) == 0 || b.take("b", now) != 0 {
		t.Error("one user's polls count for another, or not at all")
	}
	if newBuckets(0, 1).take("a", now) != 0 {
		t.Error("0 is a limit")
	}
}

func TestLoad(t *testing.T) {
	l := load{most: 2}
	for i, want := range []bool{true, true, false, false} {
		if l.enter() != want {
			t.Errorf("enter %d: want %v", i+1, want)
		}
	}
	l.leave()
	if !l.enter() || l.enter() {
		t.Error("one left: want one more, and no more")
	}
}

func TestAUserWhoPollsTooOftenIsThrottled(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Limits.PollRate, c.Limits.PollBurst = 0.1, 3 })
	for range 3 {
		r.get("alice", "/api/notifications").page(t)
	}
	got := r.get("alice", "/api/notifications")
	wait, err := strconv.Atoi(got.header.Get("Retry-After"))
	if got.status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 10 || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
	}
	r.get("bob", "/api/notifications").page(t)
	if !r.counts(`polls_total{client="native",result="throttled"} 1`) {
		t.Error("not counted")
	}
}

// stuck is a source whose reads wait.
type stuck struct{ waiting chan struct{} }

func (s stuck) Read(ctx context.Context, _ backend.Caller, _ backend.Query) (backend.Page, error) {
	s.waiting <- struct{}{}
	<-ctx.Done()
	return backend.Page{}, ctx.Err()
}

// With as many polls under way as there may be, others are turned away at once;
// health, metrics and the app go on, and so do polls when some have left.
func TestTooManyPollsAreShed(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Limits.Polls = 3 })
	s, healthy := stuck{make(chan struct{}, 3)}, r.gateway.source
	r.gateway.source = s
	ctx, cancel := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	for i := range 3 {
		polls.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.public.URL+"/api/notifications", nil)
			req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, fmt.Sprint("user", i))})
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		})
	}
	for range 3 {
		<-s.waiting
	}
	if got := r.get("alice", "/api/notifications"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	r.gateway.pacing.observe(time.Now())
	if got := r.gateway.pacing.advice().seconds; got != 7 {
		t.Errorf("clients are asked to poll every %d s", got)
	}
	if got := r.get("alice", "/page"); got.status != http.StatusOK {
		t.Errorf("the app: %d", got.status)
	}
	if got := r.admin("/readyz"); got.status != http.StatusOK {
		t.Errorf("health: %d %s", got.status, got.body)
	}
	cancel()
	polls.Wait()
	servertest.Eventually(t, "the polls have left", func() bool { return r.gateway.limits.reads.now.Load() == 0 })
	r.gateway.source = healthy
	r.get("alice", "/api/notifications").page(t)
}

// Who opens streams too often is served, and asked to come back later.
func TestAnEagerReaderIsAskedToWait(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Limits.StreamRate, c.Limits.StreamBurst = 0.01, 2 })
	r.insert("alice", time.Minute, "a")
	for i, want := range []bool{false, false, true, true} {
		got := r.openStream("alice")("data: ")
		_, text, _ := strings.Cut(got, "retry: ")
		text, _, _ = strings.Cut(text, "\n")
		if retry, err := strconv.Atoi(text); err != nil || (retry >= 3_000) != want || !strings.Contains(got, `"id":"a"`) {
			t.Errorf("stream %d: retry %q: %s", i+1, text, got)
		}
	}
}
