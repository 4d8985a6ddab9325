package guard

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// source does what its function says, and counts.
type source struct {
	reads, open atomic.Int32
	mu          sync.Mutex
	most        int32
	do          func(ctx context.Context) error
}

func (s *source) Read(ctx context.Context, _ backend.Caller, _ backend.Query) (backend.Page, error) {
	s.reads.Add(1)
	open := s.open.Add(1)
	defer s.open.Add(-1)
	s.mu.Lock()
	s.most = max(s.most, open)
	s.mu.Unlock()
	return backend.Page{}, s.do(ctx)
}

func fault(f backend.Fault) func(context.Context) error {
	return func(context.Context) error { return &backend.Error{Fault: f} }
}

func good(context.Context) error { return nil }

func guarded(s *source, resting func(bool)) *Source {
	return New(Options{Source: s, Concurrent: 3, Timeout: time.Second, Resting: resting})
}

var users atomic.Int32

// read reads for somebody who has not read before.
func read(t *testing.T, g *Source) error {
	t.Helper()
	return readFor(t, g, fmt.Sprint("user-", users.Add(1)))
}

func readFor(t *testing.T, g *Source, user string) error {
	t.Helper()
	_, err := g.Read(t.Context(), backend.Caller{User: user}, backend.Query{})
	return err
}

func TestOnlySoManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{do: func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }}
		g := guarded(s, nil)
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() {
				if err := read(t, g); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if s.reads.Load() != 12 || s.most != 3 {
			t.Errorf("%d reads, up to %d at a time", s.reads.Load(), s.most)
		}
	})
}

func TestTheWaitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{do: func(ctx context.Context) error {
			<-ctx.Done()
			return backend.Failed(ctx, backend.Unavailable, "", ctx.Err())
		}}
		g := guarded(s, nil)
		start := time.Now()
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() {
				if err := read(t, g); backend.FaultOf(err) != backend.TooLate {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s, want the time-out once", took)
		}
	})
}

// A source that is asked for more than it can do answers what it can, and is not taken
// for one that fails.
func TestAnOverloadIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{do: func(ctx context.Context) error {
			select {
			case <-time.After(190 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return &backend.Error{Fault: backend.TooLate}
			}
		}}
		g := New(Options{Source: s, Concurrent: 20, Timeout: time.Second, Resting: func(bool) { t.Error("the source is left alone") }})
		var answered atomic.Int32
		var group sync.WaitGroup
		for range 300 {
			group.Go(func() {
				if read(t, g) == nil {
					answered.Add(1)
				}
			})
		}
		group.Wait()
		if got, reads := answered.Load(), s.reads.Load(); got != reads || got != 3*20 {
			t.Errorf("%d reads, %d answered, want as many as have their turn within half a second", reads, got)
		}
	})
}

func TestAFailingSourceIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{do: fault(backend.Unavailable)}
		var resting []bool
		g := guarded(s, func(r bool) { resting = append(resting, r) })
		for range 100 {
			if err := read(t, g); backend.FaultOf(err) != backend.Unavailable {
				t.Fatal(err)
			}
		}
		if n := s.reads.Load(); n != failuresToTrip {
			t.Errorf("%d reads of a source that fails, want %d", n, failuresToTrip)
		}
		time.Sleep(rest + time.Millisecond)
		_ = read(t, g)
		_ = read(t, g)
		if n := s.reads.Load(); n != failuresToTrip+1 {
			t.Errorf("%d reads, want one that tries", n)
		}
		time.Sleep(rest + time.Millisecond)
		s.do = good
		for range 3 {
			if err := read(t, g); err != nil {
				t.Error(err)
			}
		}
		if len(resting) != 3 || !resting[0] || !resting[1] || resting[2] {
			t.Errorf("told %v", resting)
		}
	})
}

// What is the caller's fault, and one user among others whose data is bad, keep
// nobody from reading.
func TestWhatDoesNotTrip(t *testing.T) {
	for _, f := range []backend.Fault{backend.Unauthorized, backend.OutOfReach, backend.Canceled} {
		s := &source{do: fault(f)}
		g := guarded(s, nil)
		for range 100 {
			_ = read(t, g)
		}
		if n := s.reads.Load(); n != 100 {
			t.Errorf("%s: %d of 100 reads", f, n)
		}
	}
	s := &source{}
	g := guarded(s, nil)
	for i := range 100 {
		if s.do = fault(backend.BadAnswer); i%failuresToTrip == 0 {
			s.do = good
		}
		_ = read(t, g)
	}
	if n := s.reads.Load(); n != 100 {
		t.Errorf("bad users among good ones: %d of 100 reads", n)
	}
}

// However often a user reads in vain, others are read for; but those who fail with them
// count as ever.
func TestOneUserShutsNobodyOut(t *testing.T) {
	s := &source{do: fault(backend.BadAnswer)}
	g := guarded(s, nil)
	for range 100 {
		if err := readFor(t, g, "mallory"); backend.FaultOf(err) != backend.BadAnswer {
			t.Fatal(err)
		}
	}
	for range failuresToTrip - mostOfOne {
		if err := read(t, g); backend.FaultOf(err) != backend.BadAnswer {
			t.Fatal(err)
		}
	}
	if err := read(t, g); backend.FaultOf(err) != backend.Unavailable {
		t.Errorf("a source that fails for many is read on: %v", err)
	}
}

func TestAPanicIsAFailedRead(t *testing.T) {
	s := &source{do: func(context.Context) error { panic("odd row") }}
	g := guarded(s, nil)
	for range 3 * failuresToTrip {
		err := read(t, g)
		if backend.FaultOf(err) != backend.Unavailable {
			t.Fatal(err)
		}
	}
	if n := s.reads.Load(); n != failuresToTrip {
		t.Errorf("%d reads: a panic is no failure", n)
	}
}
