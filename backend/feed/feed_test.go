package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tail answers its looks as the test says; the zero step is a look that finds nothing.
type tail struct {
	mu    sync.Mutex
	next  step
	looks int
}

type step struct {
	changes backend.Changes
	err     error
	takes   time.Duration
	hang    bool
}

func (s *tail) set(next step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

func (s *tail) Look(ctx context.Context) (backend.Changes, error) {
	s.mu.Lock()
	now := s.next
	first := s.looks == 0
	s.looks++
	s.next = step{err: now.err, hang: now.hang}
	s.mu.Unlock()
	if now.hang {
		<-ctx.Done()
		return backend.Changes{}, ctx.Err()
	}
	time.Sleep(now.takes)
	now.changes.Unknown = now.changes.Unknown || first
	return now.changes, now.err
}

func (*tail) Period() time.Duration  { return time.Second }
func (*tail) Vouches() time.Duration { return time.Minute }
func (*tail) Close() error           { return nil }

type rig struct {
	*Feed
	tail   *tail
	mu     sync.Mutex
	forgot []string
	failed atomic.Int32
}

// run starts a feed over a tail; its first look is over when run returns.
func run(t *testing.T) *rig {
	t.Helper()
	r := &rig{tail: &tail{}}
	r.Feed = New(Options{
		Tail: r.tail,
		Forget: func(_ context.Context, users ...string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.forgot = append(r.forgot, users...)
		},
		LookFailed: func(error) { r.failed.Add(1) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return r
}

func TestVouchesSinceTheFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		early := time.Now()
		time.Sleep(time.Millisecond)
		r := run(t)
		if r.Vouches(early) {
			t.Error("vouches for what was read before its first look")
		}
		read := time.Now()
		time.Sleep(59 * time.Second)
		if !r.Vouches(read) {
			t.Error("does not vouch for what was read since")
		}
		time.Sleep(2 * time.Second)
		if r.Vouches(read) {
			t.Error("vouches longer than the tail does")
		}
	})
}

func TestUnknownBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		read := time.Now()
		r.tail.set(step{changes: backend.Changes{Unknown: true}, takes: 300 * time.Millisecond})
		time.Sleep(1100 * time.Millisecond) // in the middle of that look
		within := time.Now()
		time.Sleep(time.Second)
		if r.Vouches(read) || r.Vouches(within) || r.Hears(within) {
			t.Error("vouches for what was read before the end of a look that found it does not know")
		}
		if !r.Vouches(time.Now()) || !r.Hears(time.Now()) {
			t.Error("does not go on")
		}
	})
}

func TestATailThatFailsOrHangsStopsVouching(t *testing.T) {
	for name, trouble := range map[string]step{"fails": {err: errors.New("down")}, "hangs": {hang: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := run(t)
				r.tail.set(trouble)
				time.Sleep(4500 * time.Millisecond)
				read := time.Now()
				if !r.Vouches(read) || !r.Hears(read) {
					t.Error("one look that fails is no outage")
				}
				time.Sleep(time.Second)
				if lag := r.Lag(); r.Vouches(read) || r.Hears(read) || r.Following() || lag <= heardWithin {
					t.Errorf("vouches %s after the last look", lag)
				}
				time.Sleep(10 * time.Second)
				if r.failed.Load() == 0 {
					t.Error("nobody was told")
				}
				r.tail.set(step{})
				time.Sleep(6 * time.Second)
				if !r.Vouches(read) {
					t.Error("a tail that says it missed nothing is not believed")
				}
			})
		})
	}
}

func TestChangesForgetFirstAndThenWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		woken, stop := r.Watch("alice")
		other, stopOther := r.Watch("bob")
		defer stopOther()
		r.tail.set(step{changes: backend.Changes{Users: []string{"alice", "carol"}}})
		<-woken
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Equal(r.forgot, []string{"alice", "carol"}) {
			t.Errorf("forgot %v", r.forgot)
		}
		select {
		case <-other:
			t.Error("bob was woken for alice")
		default:
		}
		stop()
		if len(r.watchers) != 1 {
			t.Errorf("%d users are watched, want bob", len(r.watchers))
		}
	})
}

func TestAStreamThatIsBusyIsWokenOnce(t *testing.T) {
	f := New(Options{Forget: func(context.Context, ...string) {}})
	woken, stop := f.Watch("alice")
	defer stop()
	for range 3 {
		f.Signal(t.Context(), "alice")
	}
	<-woken
	select {
	case <-woken:
		t.Error("woken twice")
	default:
	}
}

// After a signal others are expected for a while, and nothing is vouched for.
func TestSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{Forget: func(context.Context, ...string) {}})
		early := time.Now()
		if f.Hears(early) {
			t.Error("hears without anything")
		}
		time.Sleep(time.Second)
		for range 3 {
			f.Signal(t.Context(), "alice")
			read := time.Now()
			if !f.Hears(read) || f.Hears(early) || f.Vouches(read) {
				t.Errorf("hears %v, of before the first signal %v, vouches %v", f.Hears(read), f.Hears(early), f.Vouches(read))
			}
			time.Sleep(signalMemory - time.Second)
		}
		time.Sleep(2 * time.Second)
		silence := time.Now()
		if f.Hears(silence) {
			t.Error("hears long after the last signal")
		}
		time.Sleep(time.Second)
		f.Signal(t.Context(), "alice")
		if f.Hears(silence) {
			t.Error("hears of a time at which the app was silent")
		}
	})
}

// Where there is a tail, its word alone counts: a signal says nothing of what the
// tail does not know.
func TestSignalsDoNotSpeakForATail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t)
		read := time.Now()
		r.Signal(t.Context(), "alice")
		r.tail.set(step{changes: backend.Changes{Unknown: true}})
		time.Sleep(1500 * time.Millisecond)
		if r.Hears(read) || !r.Hears(time.Now()) {
			t.Errorf("of before Unknown: %v, of since: %v", r.Hears(read), r.Hears(time.Now()))
		}
	})
}
