package latest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// list is a source over rows in memory that counts its reads.
type list struct {
	mu    sync.Mutex
	rows  []backend.Notification
	reads atomic.Int32
	hold  chan struct{} // when not nil, reads wait for it
	err   error
}

func (l *list) add(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.rows = append(l.rows, backend.Notification{Key: backend.Key{At: time.Now().UnixMicro(), ID: id}, Context: []byte("{}")})
	}
}

func (l *list) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	l.reads.Add(1)
	l.mu.Lock()
	s, hold, err := backend.NewList(append([]backend.Notification(nil), l.rows...), false, time.Now()), l.hold, l.err
	l.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return backend.Page{}, ctx.Err()
		}
	}
	if err != nil {
		return backend.Page{}, err
	}
	return backend.Read(s, c.User, time.Hour, q)
}

const (
	bound = 2 * time.Second
	past  = bound + time.Millisecond
)

var alice = backend.Caller{User: "alice", Token: "t"}

func setup(bound time.Duration) (*list, *Reader, Cache) {
	source, cache := &list{}, NewMemory(100)
	return source, NewReader(Options{Source: source, Local: cache, Bound: always(bound)}), cache
}

func poll(t *testing.T, r *Reader, after string) backend.Page {
	t.Helper()
	p, err := r.Read(t.Context(), alice, backend.Query{After: after, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEmptyPollsAreSparedWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		source.add("a")
		place := poll(t, r, "").Place
		for range 100 {
			if p := poll(t, r, place); len(p.Items) != 0 || p.Place != place {
				t.Fatalf("%+v", p)
			}
		}
		if n := source.reads.Load(); n != 1 {
			t.Errorf("%d reads for 101 polls", n)
		}
		time.Sleep(bound)
		poll(t, r, place)
		if n := source.reads.Load(); n != 1 {
			t.Errorf("%d reads at the bound", n)
		}
		time.Sleep(time.Microsecond)
		poll(t, r, place)
		if n := source.reads.Load(); n != 2 {
			t.Errorf("%d reads after the bound", n)
		}
	})
}

func TestNothingIsHiddenLongerThanTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		place := poll(t, r, "").Place
		for i := range 20 {
			source.add(string(rune('a' + i)))
			time.Sleep(past)
			p := poll(t, r, place)
			if len(p.Items) != 1 {
				t.Fatalf("round %d: %d items", i, len(p.Items))
			}
			place = p.Place
		}
	})
}

func TestAReaderElsewhereIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		source.add("a")
		old := poll(t, r, "").Place
		time.Sleep(time.Second)
		source.add("b")
		poll(t, r, "") // somebody else has seen b
		if p := poll(t, r, old); len(p.Items) != 1 {
			t.Errorf("b is hidden: %+v", p)
		}
	})
}

// A read under way when a change comes in must not be stored, and polls that
// come after the change must not share it once it is too old.
func TestASlowReadHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, cache := setup(bound)
		place := poll(t, r, "").Place
		time.Sleep(past)
		source.hold = make(chan struct{})
		done := make(chan backend.Page)
		go func() { done <- poll(t, r, place) }()
		synctest.Wait()
		if n := source.reads.Load(); n != 2 {
			t.Fatalf("%d reads, the second should be under way", n)
		}
		source.mu.Lock()
		release := source.hold
		source.hold = nil
		source.mu.Unlock()
		source.add("a")
		cache.Forget(t.Context(), "alice")
		time.Sleep(past)
		close(release)
		<-done
		if p := poll(t, r, place); len(p.Items) != 1 {
			t.Errorf("a is hidden behind a read from before it: %+v", p)
		}
	})
}

func TestEqualPollsShareARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		source.hold = make(chan struct{})
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() { poll(t, r, "0") })
		}
		group.Go(func() { // a tab with another cookie
			if _, err := r.Read(t.Context(), backend.Caller{User: "alice", Token: "other"}, backend.Query{After: "0", Limit: 50}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if n := source.reads.Load(); n != 2 {
			t.Errorf("%d reads, want one per credential", n)
		}
		time.Sleep(past)
		group.Go(func() { poll(t, r, "0") })
		synctest.Wait()
		if n := source.reads.Load(); n != 3 {
			t.Errorf("%d reads: a read older than the bound was joined", n)
		}
		close(source.hold)
		group.Wait()
	})
}

func TestACallerThatLeavesTakesNobodyWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		source.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		read := func(ctx context.Context, out chan error) {
			_, err := r.Read(ctx, alice, backend.Query{After: "0", Limit: 50})
			out <- err
		}
		go read(ctx, left)
		synctest.Wait()
		go read(t.Context(), stayed)
		synctest.Wait()
		cancel()
		if err := <-left; backend.FaultOf(err) != backend.Canceled {
			t.Errorf("the one that left: %v", err)
		}
		close(source.hold)
		if err := <-stayed; err != nil {
			t.Errorf("the one that stayed: %v", err)
		}
	})
}

func TestAReadThatNobodyWaitsForEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		source.hold = make(chan struct{}) // never closed: only cancellation ends the read
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Read(ctx, alice, backend.Query{After: "0", Limit: 50}); backend.FaultOf(err) != backend.TooLate {
			t.Error(err)
		}
		synctest.Wait()
		source.mu.Lock()
		source.hold = nil
		source.mu.Unlock()
		poll(t, r, "0")
	})
}

func TestFailuresAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(bound)
		source.err = &backend.Error{Fault: backend.Unavailable, Detail: "down"}
		if _, err := r.Read(t.Context(), alice, backend.Query{After: "0", Limit: 1}); !errors.Is(err, source.err) {
			t.Error(err)
		}
		source.err = nil
		poll(t, r, "0")
	})
}

func TestBoundZeroTurnsTheCacheOff(t *testing.T) {
	source, r, _ := setup(0)
	for range 3 {
		poll(t, r, "0")
	}
	if n := source.reads.Load(); n != 3 {
		t.Errorf("%d reads for 3 polls", n)
	}
}

// remote is a shared cache at the other end of a network.
type remote struct {
	*Memory
	latency time.Duration // until its answers arrive
	deaf    bool          // what it is told does not reach it
}

func (c *remote) Get(ctx context.Context, user string) Lookup {
	l := c.Memory.Get(ctx, user)
	time.Sleep(c.latency)
	return l
}

func (c *remote) Forget(ctx context.Context, users ...string) bool {
	return !c.deaf && c.Memory.Forget(ctx, users...)
}

// An entry that could not be taken away must not answer here in place of the one
// in this process, which was.
func TestAnEntryThatCouldNotBeForgottenIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, shared := &list{}, &remote{Memory: NewMemory(100)}
		r := NewReader(Options{Source: source, Local: NewMemory(100), Shared: shared, Bound: always(bound)})
		place := poll(t, r, "").Place
		time.Sleep(time.Second)
		source.add("a")
		shared.deaf = true
		r.Forget(t.Context(), "alice")
		shared.deaf = false
		p := poll(t, r, place)
		if len(p.Items) != 1 {
			t.Fatal("a change that was told of is hidden")
		}
		poll(t, r, p.Place) // what is stored from now on counts again
		if n := source.reads.Load(); n != 2 {
			t.Errorf("%d reads", n)
		}
	})
}

// How long an answer of the cache was under way makes its entry no younger: what
// was read before changes were heard of would count as read after.
func TestAnEntryIsNotJudgedTooYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, shared := &list{}, &remote{Memory: NewMemory(100)}
		var judged time.Time
		r := NewReader(Options{Source: source, Local: NewMemory(100), Shared: shared, Bound: func(read time.Time) time.Duration {
			judged = read
			return bound
		}})
		poll(t, r, "")
		began := time.Now() // of the source's read
		r.Local.Forget(t.Context(), "alice")
		time.Sleep(time.Second)
		shared.latency = 90 * time.Millisecond
		poll(t, r, "0")
		if judged.After(began) {
			t.Errorf("judged as read %s after it was", judged.Sub(began))
		}
	})
}
