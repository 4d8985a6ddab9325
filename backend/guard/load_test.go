package guard

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// Each look tells what has happened since the last; reads under way count as soon
// as they have taken longer than those that ended.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{do: func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }}
		g := guarded(s, nil)
		want := func(what string, want Load) {
			t.Helper()
			if got := g.Load(); got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		want("at first", Load{})
		start := func(n int) {
			for range n {
				go func() { _ = read(t, g) }()
			}
			synctest.Wait()
		}
		start(6) // three at a time
		want("just begun", Load{})
		time.Sleep(50 * time.Millisecond)
		want("under way", Load{Took: 50 * time.Millisecond})
		time.Sleep(149 * time.Millisecond)
		start(1)
		want("three ended, others took longer", Load{Took: 3 * 199 * time.Millisecond / 4})
		time.Sleep(time.Minute)
		want("all ended", Load{Took: (3*200 + 101) * time.Millisecond / 4})
		want("and nothing since", Load{})
	})
}

func TestLoadOfASourceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{do: func(context.Context) error { time.Sleep(2 * time.Second); return nil }}
		g := guarded(s, nil)
		for range 3 + 2 {
			go func() { _ = read(t, g) }()
		}
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = g.Read(ctx, backend.Caller{User: "bob"}, backend.Query{}) }()
		synctest.Wait()
		leave() // who goes away was not refused
		time.Sleep(time.Second)
		synctest.Wait()
		if l := g.Load(); l.Refused != 2 || l.Resting || l.Took != time.Second {
			t.Errorf("a source that hangs: %+v", l)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s.do = fault(backend.Unavailable)
		for range failuresToTrip {
			_ = read(t, g)
		}
		if l := g.Load(); !l.Resting || l.Refused != 0 {
			t.Errorf("a source that fails: %+v", l)
		}
		time.Sleep(rest + time.Millisecond)
		s.do = good
		_ = read(t, g)
		if l := g.Load(); l.Resting {
			t.Errorf("one that answers again: %+v", l)
		}
	})
}
