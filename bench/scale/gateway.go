package scale

import (
	"context"
	"sync/atomic"
	"time"

	"sluice/backend"
	"sluice/backend/feed"
	"sluice/backend/guard"
	"sluice/backend/latest"
	"sluice/backend/pace"
	"sluice/proxy/config"
)

// What the wiring of a gateway has: proxy/source.go and proxy/pacing.go.
const (
	concurrentReads = 64
	memoryUsers     = 1 << 20
	slowShare       = 4
	pageLimit       = 50
)

// counts are what gateways and app have counted since the start.
type counts struct {
	polls, failed, local, shared atomic.Int64
}

// gateway is one replica: the real parts, wired as proxy wires them.
type gateway struct {
	config config.Config
	counts *counts
	reader *latest.Reader
	guard  *guard.Source
	feed   *feed.Feed
	pacer  *pace.Pacer
	wait   atomic.Int64 // the interval, as clients are told it
	open   atomic.Int64
	shed   atomic.Int64 // turned away since it was looked at
	stop   context.CancelFunc
}

// newGateway starts one. Its tail looks at the app after offset for the first time.
func newGateway(s *Settings, a *app, shared latest.Cache, n *counts, offset time.Duration) *gateway {
	c := s.Config
	g := &gateway{config: c, counts: n}
	o := feed.Options{Forget: func(ctx context.Context, users ...string) { g.reader.Forget(ctx, users...) }}
	if a.kind.Tail {
		o.Tail = &tail{app: a}
	}
	g.feed = feed.New(o)
	g.guard = guard.New(guard.Options{Source: a, Concurrent: s.Concurrent, Timeout: c.Upstream.Timeout})
	g.reader = latest.NewReader(latest.Options{
		Source: g.guard, Local: latest.NewMemory(memoryUsers), Shared: shared, Observer: g,
		Bound:   func(read time.Time) time.Duration { return c.StalenessBound(g.feed.Hears(read)) },
		Vouches: g.feed.Vouches,
		// No audits: they are drawn at random, so runs would differ. They add one read for a thousand hits.
	})
	g.pacer = pace.New(pace.Settings{Interval: c.Poll.Interval, Ceiling: c.Poll.Ceiling, Slow: c.Upstream.Timeout / slowShare})
	g.wait.Store(int64(c.Poll.Interval))
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	go func() {
		time.Sleep(offset)
		g.feed.Run(ctx)
	}()
	return g
}

// Looked implements latest.Observer.
func (g *gateway) Looked(layer string, r latest.Result) {
	switch {
	case r != latest.Hit:
	case layer == latest.Local:
		g.counts.local.Add(1)
	default:
		g.counts.shared.Add(1)
	}
}

// Audited implements latest.Observer.
func (g *gateway) Audited(*latest.FalseEmpty) {}

// pace looks at the source, once a second.
func (g *gateway) pace(now time.Time) {
	l := g.guard.Load()
	if g.shed.Swap(0) > 0 {
		l.Took = max(l.Took, g.config.Upstream.Timeout/slowShare)
	}
	g.pacer.Observe(now, pace.Load{Took: l.Took, Failing: l.Resting || l.Refused > 0})
	g.wait.Store(int64(g.pacer.Interval()))
}

// poll answers a poll; share is at random, for Retry-After.
func (g *gateway) poll(ctx context.Context, user, after string, share float64) reply {
	defer g.open.Add(-1)
	if g.open.Add(1) > int64(g.config.Limits.Polls) {
		g.shed.Add(1)
		return g.fail(share)
	}
	page, err := g.reader.Read(ctx, backend.Caller{User: user}, backend.Query{After: after, Limit: pageLimit})
	switch {
	case ctx.Err() != nil:
		return reply{failed: true} // the client has gone, and gets no header
	case err != nil:
		return g.fail(share)
	}
	r := reply{place: page.Place, more: page.More, interval: time.Duration(g.wait.Load())}
	for _, n := range page.Items[page.Repeated:] {
		r.items = append(r.items, n.Time())
	}
	return r
}

// fail answers 503 or 504, and asks to stay away for the interval and up to as much again.
func (g *gateway) fail(share float64) reply {
	seconds := int(time.Duration(g.wait.Load()) / time.Second)
	return reply{failed: true, retryAfter: time.Duration(seconds+int(share*float64(seconds+1))) * time.Second}
}
