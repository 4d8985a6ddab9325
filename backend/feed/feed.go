// Package feed spreads within one gateway the news that a user's data has
// changed: caches forget the user, held streams wake.
//
// News comes from a tail, which this gateway itself keeps looking at the app's
// data with, and from signals, which the app sends. Signals can get lost: they
// shorten waits and prove nothing. A tail proves something: what it does not
// name has not changed. So it vouches for what was read since its looks have
// been unbroken, as long as it was heard from a moment ago. A tail that fails or
// hangs stops vouching by itself, since nothing is heard from it.
package feed

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/backend"
)

const (
	// heardWithin is how old the last successful look may be, from its start, for
	// the tail to vouch for anything.
	heardWithin = 5 * time.Second
	// signalMemory is how long after a signal an app counts as one that signals.
	signalMemory = time.Hour
)

// Options of a Feed.
type Options struct {
	Tail backend.Tail // nil: signals only
	// Forget is told first of every change, before any stream wakes.
	Forget func(ctx context.Context, users ...string)
	// LookFailed, if not nil, is told of each look that failed.
	LookFailed func(error)
}

// Feed is one gateway's feed. It is safe for concurrent use.
type Feed struct {
	options  Options
	start    time.Time
	chain    atomic.Pointer[chain]
	signals  atomic.Pointer[chain]
	mu       sync.Mutex
	watchers map[string][]chan struct{} // a user has few
}

// chain is an unbroken row of looks: whatever became visible since its beginning
// has been named. Or it is a row of signals without an hour between two of them.
type chain struct {
	since time.Time // the end of the look, or the signal, it began with
	heard time.Time // the start of the last look, or the last signal
}

// New prepares a feed; Run lets it follow its tail.
func New(o Options) *Feed {
	if o.LookFailed == nil {
		o.LookFailed = func(error) {}
	}
	return &Feed{options: o, start: time.Now(), watchers: map[string][]chan struct{}{}}
}

// Run looks at the tail until ctx ends. Without a tail it only waits.
func (f *Feed) Run(ctx context.Context) {
	if f.options.Tail == nil {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(f.options.Tail.Period())
	defer tick.Stop()
	for ctx.Err() == nil {
		f.look(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// look takes one look. A change is made known before the look counts as heard:
// until then nothing read before it is vouched for by it.
func (f *Feed) look(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	began := time.Now()
	changes, err := f.options.Tail.Look(limited)
	if err != nil {
		if ctx.Err() == nil {
			f.options.LookFailed(err)
		}
		return
	}
	f.spread(ctx, changes.Users)
	next := chain{heard: began, since: time.Now()}
	if last := f.chain.Load(); last != nil && !changes.Unknown {
		next.since = last.since
	}
	f.chain.Store(&next)
}

// Vouches tells whether the tail proves that of a user whom it has not named
// nothing became visible since a read that began at this moment.
func (f *Feed) Vouches(read time.Time) bool {
	c := f.chain.Load()
	if c == nil || read.Before(c.since) {
		return false
	}
	now := time.Now()
	return now.Sub(c.heard) <= heardWithin && now.Sub(read) <= f.options.Tail.Vouches()
}

// Following tells whether the tail was heard from a moment ago.
func (f *Feed) Following() bool {
	return f.chain.Load() != nil && f.Lag() <= heardWithin
}

// Hears tells whether a change since a moment would have been heard of, if no
// signal was lost: by the tail, unless it has said since that it does not know;
// without a tail, because the app has been sending signals since before, the last
// one within the last hour.
func (f *Feed) Hears(since time.Time) bool {
	if f.options.Tail != nil {
		return f.Following() && !since.Before(f.chain.Load().since)
	}
	s := f.signals.Load()
	return s != nil && !since.Before(s.since) && time.Since(s.heard) <= signalMemory
}

// Lag is how long ago the last successful look began; before the first one, how
// long it has been waited for.
func (f *Feed) Lag() time.Duration {
	if c := f.chain.Load(); c != nil {
		return time.Since(c.heard)
	}
	return time.Since(f.start)
}

// Signal tells of changes that the app has reported, after their commit.
func (f *Feed) Signal(ctx context.Context, users ...string) {
	now := time.Now()
	next := chain{since: now, heard: now}
	if last := f.signals.Load(); last != nil && now.Sub(last.heard) <= signalMemory {
		next.since = last.since
	}
	f.signals.Store(&next)
	f.spread(ctx, users)
}

func (f *Feed) spread(ctx context.Context, users []string) {
	if len(users) == 0 {
		return
	}
	f.options.Forget(ctx, users...)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, user := range users {
		for _, woken := range f.watchers[user] {
			select {
			case woken <- struct{}{}:
			default: // awake already
			}
		}
	}
}

// Watch returns a channel that holds a value once the user's data has changed
// since the last one was taken. stop must be called.
func (f *Feed) Watch(user string) (woken <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers[user] = append(f.watchers[user], c)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		left := slices.DeleteFunc(f.watchers[user], func(other chan struct{}) bool { return other == c })
		if len(left) == 0 {
			delete(f.watchers, user)
			return
		}
		f.watchers[user] = left
	}
}
