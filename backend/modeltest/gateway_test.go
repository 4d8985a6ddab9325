package modeltest

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"sluice/backend"
	"sluice/backend/feed"
	"sluice/backend/latest"
)

// The bounds that the design states, as the gateway sets them by default.
const (
	quietBound    = 2 * time.Second  // nobody tells of changes
	heardBound    = 30 * time.Second // changes are heard of
	believedTail  = 5 * time.Second  // since it was heard from
	signalsMemory = time.Hour
)

// gateway is one Sluice in small: the real cache and feed over the app.
type gateway struct {
	number    int
	reader    *latest.Reader
	feed      *feed.Feed
	source    *slowSource
	tail      *shakyTail // nil: signals only
	signalled time.Time
	deaf      bool // it has no feed, and believes its cache for ever
	stop      func()
}

// newGateway starts a gateway whose cache and tail know nothing yet.
func newGateway(number int, a app, s *shared) *gateway {
	g := &gateway{number: number, source: &slowSource{Source: a.source()}}
	o := latest.Options{
		Source: g.source,
		Local:  latest.NewMemory(256), // four users a shard: see evict
		Bound: func(read time.Time) time.Duration {
			if g.feed.Hears(read) {
				return heardBound
			}
			return quietBound
		},
		Vouches: func(read time.Time) bool { return g.feed.Vouches(read) },
	}
	if s != nil {
		o.Shared = s
	}
	g.reader = latest.NewReader(o)
	follow := feed.Options{Forget: g.reader.Forget}
	if tail := a.tail(); tail != nil {
		g.tail = &shakyTail{Tail: tail}
		follow.Tail = g.tail
	}
	g.feed = feed.New(follow)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.feed.Run(ctx) })
	g.stop = func() {
		cancel()
		running.Wait()
		if g.tail != nil {
			_ = g.tail.Close()
		}
	}
	return g
}

// evict lets other users push everybody out of the cache in process.
func (g *gateway) evict(ctx context.Context) {
	for i := range 1000 {
		g.reader.Local.Get(ctx, "other "+strconv.Itoa(i))
	}
}

// limit is how long an item may be hidden from a poll that began at a moment.
func (g *gateway) limit(i *item, p *poll, is traits, lost time.Time) time.Duration {
	undone := !lost.Before(i.visible) // the shared cache may have lost the news
	if told, ok := i.told[g.number]; ok && told < p.step && !undone {
		return 0
	}
	if g.deaf {
		return math.MaxInt64
	}
	limit := quietBound
	if g.tail != nil {
		limit = believedTail + g.tail.Period()
		if undone {
			limit = max(limit, heardBound)
		}
		if is.lateTail > 0 && i.visible.Sub(i.Time()) > is.lateTail {
			limit = max(limit, g.tail.Vouches())
		}
	}
	if !p.signalled.IsZero() && p.began.Sub(p.signalled) <= signalsMemory {
		limit = max(limit, heardBound)
	}
	return limit
}

// slowSource takes its time over the next read, before and after it looks at the
// data, or lets it fail.
type slowSource struct {
	backend.Source
	mu            sync.Mutex
	before, after time.Duration
	fails         bool
}

var errDown = errors.New("down")

func (s *slowSource) next(before, after time.Duration, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after, s.fails = before, after, fails
}

// Read implements backend.Source.
func (s *slowSource) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	s.mu.Lock()
	before, after, fails := s.before, s.after, s.fails
	s.before, s.after, s.fails = 0, 0, false
	s.mu.Unlock()
	if err := pass(ctx, before); err != nil {
		return backend.Page{}, err
	}
	if fails {
		return backend.Page{}, errDown
	}
	page, err := s.Source.Read(ctx, c, q)
	if err != nil {
		return page, err
	}
	return page, pass(ctx, after)
}

func pass(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return backend.Failed(ctx, backend.Canceled, "the caller went away", ctx.Err())
	}
}

// shakyTail is a tail that may fail, hang or be slow. It keeps a tail's promise:
// what a look has seen is told.
type shakyTail struct {
	backend.Tail
	mu    sync.Mutex
	state tailState
}

type tailState struct {
	fails, hangs  bool
	before, after time.Duration // of each look
}

func (s *shakyTail) become(state tailState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// Look implements backend.Tail.
func (s *shakyTail) Look(ctx context.Context) (backend.Changes, error) {
	s.mu.Lock()
	state := s.state
	s.mu.Unlock()
	switch {
	case state.fails:
		cut, cancel := context.WithCancel(ctx)
		cancel()
		return s.Tail.Look(cut)
	case state.hangs:
		<-ctx.Done()
		return s.Tail.Look(ctx)
	}
	if err := pass(ctx, state.before); err != nil {
		return backend.Changes{}, err
	}
	changes, err := s.Tail.Look(ctx)
	if err == nil && state.after > 0 {
		time.Sleep(state.after)
	}
	return changes, err
}
