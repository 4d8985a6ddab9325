package proxy

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/backend"
	"sluice/backend/latest"
	"sluice/compat/shadow"
	"sluice/demo"
	"sluice/internal/servertest"
	"sluice/proxy/auth"
	"sluice/proxy/config"
	"sluice/rollout/evidence"
)

// everybody is in the sample.
func everybody(c *config.Config) { c.Rollout.ShadowRatio = 1 }

func TestSettling(t *testing.T) {
	for _, c := range []struct {
		bound    time.Duration
		followed bool
		want     time.Duration
	}{
		{0, true, 10 * time.Second},
		{2 * time.Second, false, 12 * time.Second},
		{30 * time.Second, false, 40 * time.Second},
		{30 * time.Second, true, 70 * time.Second},
		{10 * time.Minute, true, 610 * time.Second},
	} {
		if got := settling(c.bound, c.followed); got != c.want {
			t.Errorf("%v, followed %t: %v, want %v", c.bound, c.followed, got, c.want)
		}
	}
}

// What is found reaches metrics, log, and the evidence of a rollout.
func TestWhatTheShadowFinds(t *testing.T) {
	r := newRig(t)
	o := shadowObserver{r.gateway.metrics.shadow, r.gateway.log}
	for range 5 {
		o.Compared(2 * time.Second)
	}
	o.Compared(-3 * time.Second)
	o.Missed("alice", "a", true)
	o.Extra("alice", "b")
	o.Extra("alice", "c")
	o.Inconclusive(shadow.Gone)
	o.StreamOpened()
	wantSeries(t, r,
		"shadow_compared_total 9", "shadow_extra_total 2", `shadow_inconclusive_total{reason="gone"} 1`,
		"shadow_lateness_seconds_count 6", "shadow_missed_total 1", "shadow_streams 1")
	if c := r.gateway.counts(); c[evidence.Compared] != 9 || c[evidence.Missed] != 1 || c[evidence.Extra] != 2 {
		t.Errorf("the rollout counts %v", c)
	}
	logged := r.logs.FilterMessageSnippet("polling would have missed").All()
	if len(logged) != 1 || logged[0].ContextMap()["item"] != "a" || logged[0].ContextMap()["in_the_store"] != true {
		t.Errorf("logged %v", logged)
	}
}

// Polls of the shadow see what real polls see, and its looks pass the cache by.
func TestWhatTheShadowReads(t *testing.T) {
	g := newRig(t).gateway
	if g.shadow.Polls != g.source || g.shadow.Store != g.source.(*latest.Reader).Source {
		t.Errorf("%T and %T", g.shadow.Polls, g.shadow.Store)
	}
}

// A gateway that ends compares nothing any more: streams are about to be cut.
func TestTheShadowEndsFirst(t *testing.T) {
	for name, end := range map[string]func(*Gateway) error{
		"it drains": func(g *Gateway) error { return g.drain((&http.Server{}).Shutdown) },
		"it closes": (*Gateway).Close,
	} {
		g := newRig(t, func(c *config.Config) { c.Drain.Grace = 0 }).gateway
		id := auth.Identity{Caller: backend.Caller{User: "alice"}, Expires: time.Now().Add(time.Hour)}
		g.config.Rollout.ShadowRatio = 1
		if g.shadowed(id) == nil {
			t.Fatalf("%s: not followed before", name)
		}
		if err := end(g); err != nil {
			t.Fatal(err)
		}
		if g.shadowed(id) != nil {
			t.Errorf("%s, and the shadow goes on", name)
		}
	}
}

// Only the app's own stream is shadowed, only of who is in the sample, and only if it
// can be read.
func TestWhoIsShadowed(t *testing.T) {
	app := httptest.NewServer(legacyApp(nil))
	t.Cleanup(app.Close)
	zipped := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		legacyApp(nil).ServeHTTP(w, r)
	}))
	t.Cleanup(zipped.Close)
	for name, c := range map[string]struct {
		app    *httptest.Server
		stream string
		ratio  float64
		want   int
	}{
		"the sample": {app, "upstream", 1, 1},
		"the others": {app, "upstream", 0, 0},
		"the bridge": {app, "bridge", 1, 0},
		"compressed": {zipped, "upstream", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, withFlags(t, "sse", c.stream), func(k *config.Config) {
				k.Upstream.URL, k.Rollout.ShadowRatio = c.app.URL, c.ratio
			})
			ctx, leave := context.WithCancel(t.Context())
			resp := r.open(ctx, "alice", "/api/stream")
			if !r.counts(fmt.Sprintf("shadow_streams %d", c.want)) {
				t.Errorf("want %d: %s", c.want, r.scrape())
			}
			leave()
			resp.Body.Close()
			servertest.Eventually(t, "its end is noticed", func() bool { return r.counts("shadow_streams 0") })
		})
	}
}

// hanging answers the first read with an empty page, and no other.
type hanging struct{ asked atomic.Int64 }

func (h *hanging) Read(ctx context.Context, _ backend.Caller, _ backend.Query) (backend.Page, error) {
	if h.asked.Add(1) == 1 {
		return backend.Page{Place: "0"}, nil
	}
	<-ctx.Done()
	return backend.Page{}, ctx.Err()
}

// itemPiece is an event of the app's stream.
func itemPiece(i int) string {
	return fmt.Sprintf("data: {\"type\":\"notification.created\",\"data\":{\"id\":\"%04d\",\"created_at\":\"2126-11-25 00:00:00\"}}\n\n", i)
}

// A shadow whose reads hang changes no byte of the stream, and holds no piece back.
func TestTheShadowTouchesNoStream(t *testing.T) {
	seen := make(chan struct{})
	r, _ := before(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			http.NewResponseController(w).Flush() // the header alone is the first piece
			select {
			case <-seen:
				io.WriteString(w, itemPiece(i))
			case <-r.Context().Done():
				return
			}
		}
	}))
	source := &hanging{}
	second := func() time.Duration { return time.Second }
	r.gateway.shadow = shadow.New(shadow.Options{
		Polls: source, Store: source, Interval: second, Limit: 50, Settle: time.Second,
		Observer: shadowObserver{r.gateway.metrics.shadow, zap.NewNop()},
	})
	r.gateway.config.Rollout.ShadowRatio = 1
	body := r.open(t.Context(), "alice", "/api/stream").Body
	t.Cleanup(func() { body.Close() })
	n := 0
	pieces := func() {
		for range 100 {
			seen <- struct{}{}
			got := make([]byte, len(itemPiece(n)))
			if _, err := io.ReadFull(body, got); err != nil || string(got) != itemPiece(n) {
				t.Fatalf("piece %d: %q, %v", n, got, err)
			}
			n++
		}
	}
	pieces()
	for reads := range int64(2) {
		servertest.Eventually(t, "the shadow reads", func() bool { return source.asked.Load() > reads })
		pieces()
	}
}

// The sample app, with its bugs: all that its stream delivers, polls do as well.
func TestShadowOfTheSampleApp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	app, err := demo.New(path, []byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app)
	t.Cleanup(func() { app.Close(); server.Close() })
	r := newRig(t, withFlags(t, "sse", "upstream"), everybody, func(c *config.Config) {
		c.Upstream.URL, c.Store.DSN, c.Poll.Interval = server.URL, config.NewSecret(path), time.Second
	})
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	insert := func(id string) {
		if _, err := db.Exec(`INSERT INTO notifications (id, user_id, level, text) VALUES (?, 'alice', 'info', 'x')`, id); err != nil {
			t.Fatal(err)
		}
	}
	insert("before")
	for range 2 {
		go io.Copy(io.Discard, r.open(t.Context(), "alice", "/api/stream").Body)
	}
	n := 0
	servertest.Eventually(t, "twenty items are compared", func() bool {
		if n++; n%20 == 0 {
			insert(fmt.Sprintf("%04d", 9999-n)) // several a second, in an order that the app loses some of
		}
		return read(r.gateway.metrics.shadow.compared).GetCounter().GetValue() >= 20
	})
	if !r.counts("shadow_missed_total 0") {
		t.Error(r.scrape())
	}
}
