package shadow

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestBothDeliver(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab() // polls are at 5, 10, 15 … s
		w.pass(time.Second)
		w.add(0, "a", "b")
		w.deliver(s, "a", "b")
		w.pass(interval)
		w.add(0, "c")
		w.pass(interval)
		w.deliver(s, "c")
		w.deliver(s, "c", "a") // the app repeats
		w.settled()
		w.want(3)
		slices.Sort(w.seen.lateness)
		if want := []time.Duration{-2 * time.Second, 3 * time.Second, 3 * time.Second}; !slices.Equal(w.seen.lateness, want) {
			t.Errorf("late by %v, want %v", w.seen.lateness, want)
		}
	})
}

// A cache that hides an item is found, and looking does not put it right.
func TestWithheldByTheCache(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(func() { w.bound = time.Hour })
		s := w.tab()
		w.pass(interval)
		w.add(0, "a")
		w.deliver(s, "a")
		w.pass(settle - time.Second)
		w.want(0)
		w.settled()
		w.want(0, "missed a stored")
	})
}

func TestHiddenByTheStore(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.hidden["b"] = true
		w.add(0, "a", "b", "c")
		w.deliver(s, "a", "b", "c")
		w.settled()
		w.want(2, "missed b")
		w.deliver(s, "b") // again: it was counted
		w.settled()
		w.want(2, "missed b")
	})
}

func TestGoneBeforeAPoll(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.add(0, "deleted", "expired", "replaced")
		w.deliver(s, "deleted", "expired", "replaced")
		w.pass(time.Second)
		w.remove("deleted")
		w.expire("expired", time.Second)
		w.remove("replaced")
		w.add(0, "replaced")
		w.settled()
		w.want(0, "3 changed", "1 gone") // the new one is there, and the stream delivered the old one
	})
}

// While reads fail nothing is known; what comes as soon as they work again is late,
// and no more.
func TestReadsFail(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		fail := func(err error) { w.change(func() { w.err = err }) }
		w.add(0, "a")
		w.deliver(s, "a")
		fail(errors.New("down"))
		w.pass(settle + interval)
		fail(nil)
		w.pass(interval)
		w.want(1)

		fail(errors.New("down"))
		w.hidden["b"] = true
		w.add(0, "b")
		w.deliver(s, "b") // the look fails
		fail(nil)
		w.settled()
		w.want(1, "1 read_failed")

		w.add(0, "c")
		w.deliver(s, "c")
		fail(errors.New("down"))
		w.pass(3 * settle)
		w.want(1, "2 read_failed")
	})
}

// A look that was not in time proves nothing about what was there before.
func TestALookThatComesLate(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.hidden["a"] = true
		w.add(0, "a")
		w.change(func() { w.slow = 2 * prompt })
		w.pass(interval - time.Second) // a poll is under way
		w.deliver(s, "a")
		w.pass(interval)
		w.change(func() { w.slow = 0 })
		w.settled()
		w.want(0, "1 read_failed")
	})
}

// What the stream began with is nobody's news: not for a first tab, not for others.
func TestTheBeginningIsNotCompared(t *testing.T) {
	inWorld(t, func(w *world) {
		w.add(48*time.Hour, numbered(0, 200)...)
		w.add(24*time.Hour, numbered(1000, 110)...)
		w.add(time.Hour, numbered(2000, 20)...)
		w.hidden["2005"] = true
		w.expire("2006", 0)
		s := w.opened()
		w.deliver(s, numbered(2000, 20)...)
		w.pass(settle)
		w.deliver(s, numbered(2000, 19)...) // the app repeats
		w.remove("2010")
		w.deliver(w.opened(), append(numbered(2000, 20), "1109")...)
		w.deliver(s, "1000", "0003") // the oldest in the first page and older
		w.settled()
		w.want(0)
	})
}

// Late rows make polls repeat what stands around them, further back than the first
// page, too.
func TestRepeatsOfPollsAreNotCompared(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 30 {
			w.add(30*time.Minute-time.Duration(i)*time.Minute, numbered(i*10, 10)...)
		}
		s := w.tab()
		w.add(10*time.Second, "late")
		w.pass(interval)
		w.deliver(s, append(numbered(0, 300), "late")...)
		w.settled()
		w.want(1)
	})
}

func TestTheStreamLosesAnItem(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.add(0, "a")
		w.pass(interval + settle - 2*time.Second)
		w.want(0)
		w.pass(2 * interval)
		w.want(0, "extra a")
		w.deliver(s, "a") // too late
		w.want(0, "extra a")
	})
}

// So does a stream that came after the first poll.
func TestALaterStreamLosesAnItem(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.tab()
		w.end(first)
		s := w.tab()
		w.pass(2 * interval)
		w.add(0, "a")
		w.pass(interval)
		for i := range 4 { // polls repeat it, and its time runs on
			id := fmt.Sprint("late ", i)
			w.add(time.Minute, id)
			w.deliver(s, id)
			w.pass(settle / 3)
		}
		if !slices.Equal(w.seen.extra, []string{"a"}) {
			t.Errorf("extra %q", w.seen.extra)
		}
		w.settled()
		w.want(4, "extra a")
	})
}

// The stream had no chance, or not the whole of it.
func TestNotExtra(t *testing.T) {
	for name, c := range map[string]struct {
		play func(w *world, s *Stream)
		want []string
	}{
		"it ends before": {func(w *world, s *Stream) {
			w.pass(settle - interval)
			w.end(s)
		}, []string{"1 stream_ended"}},
		"another takes its place": {func(w *world, s *Stream) {
			w.end(s)
			w.opened()
		}, []string{"1 stream_ended"}},
		"it falls silent": {func(w *world, _ *Stream) {
			w.tabs = nil // no heartbeat
			w.pass(3 * settle)
		}, []string{"1 stream_ended"}},
		"the item is deleted": {func(w *world, _ *Stream) {
			w.pass(interval)
			w.remove("a")
		}, []string{"1 gone"}},
		"the item expires": {func(w *world, _ *Stream) {
			w.pass(interval)
			w.expire("a", time.Second)
		}, []string{"1 changed"}},
		"nobody can look": {func(w *world, _ *Stream) {
			w.pass(interval)
			w.change(func() { w.err = errors.New("down") })
			w.pass(3 * settle)
		}, []string{"1 read_failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				s := w.tab()
				w.add(0, "a")
				w.pass(interval)
				c.play(w, s)
				w.pass(4 * settle)
				w.want(0, c.want...)
			})
		})
	}
}

// An item that may have been visible before the stream was past its beginning was
// perhaps too old for that.
func TestNotExtraAtTheBeginning(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.tab()
		w.end(first)
		w.add(0, numbered(0, 30)...)
		w.pass(2 * time.Second)
		s := w.opened()
		w.deliver(s, numbered(10, 20)...)
		w.pass(4 * settle)
		w.want(20, "10 stream_ended")
	})
}

// So is what may have become visible before the newest stream: the poller did not see
// it then, but only because it did not read.
func TestNotExtraWhileNothingIsRead(t *testing.T) {
	for name, stop := range map[string]func(*store){
		"the cache hides it": func(s *store) { s.bound = 4 * interval },
		"reads fail":         func(s *store) { s.err = errors.New("down") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				first := w.tab()
				w.change(func() { stop(w.store) })
				w.pass(interval)
				w.end(first)
				w.add(0, numbered(0, 21)...)
				s := w.opened()
				w.deliver(s, numbered(1, 20)...)
				w.pass(3 * interval)
				w.change(func() { w.err, w.bound = nil, bound })
				w.pass(4 * settle)
				w.want(20, "1 stream_ended")
			})
		})
	}
}

// The beginning of a stream may take its time.
func TestASlowBeginning(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tab()
		w.pass(interval - 2*time.Second)
		w.end(w.tabs[0])
		s := w.opened()
		w.pass(time.Second) // a poll
		w.add(0, numbered(0, 21)...)
		w.pass(time.Second)
		w.deliver(s, numbered(1, 20)...)
		w.pass(4 * settle)
		w.want(20, "1 stream_ended")
	})
}

// A page that is back after an error goes on where it was.
func TestReconnect(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.tab()
		w.add(0, "a", "b")
		w.deliver(first, "a")
		w.end(first)
		w.pass(settle / 2)
		w.add(0, "c")
		w.pass(interval)
		w.deliver(w.opened(), "a", "b", "c")
		w.pass(4 * settle)
		w.want(3)
	})
}

// The user has left; what the stream delivered last is judged all the same.
func TestMissedAtTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.hidden["a"] = true
		w.add(0, "a")
		w.deliver(s, "a")
		w.end(s)
		w.settled()
		w.want(0, "missed a")
		asked := w.asked()
		w.pass(settle)
		if now := w.asked(); now != asked || w.seen.open != 0 {
			t.Errorf("%d reads for nobody, %d streams", now-asked, w.seen.open)
		}
	})
}

// Any tab will do, and an item counts once.
func TestTabs(t *testing.T) {
	inWorld(t, func(w *world) {
		one := w.tab()
		two := w.tab()
		w.add(0, "a", "b", "c")
		w.deliver(one, "a", "b")
		w.deliver(two, "b")
		w.pass(interval)
		w.end(one)
		w.deliver(two, "c")
		w.settled()
		w.want(3)
		w.end(two)
		w.settled()
		if w.seen.open != 0 {
			t.Errorf("%d streams are open", w.seen.open)
		}
	})
}

// A stream that does not last costs nothing.
func TestShortStreams(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 10 {
			s := w.opened()
			w.pass(round - time.Second)
			w.end(s)
			w.pass(time.Minute)
		}
		s := w.opened()
		w.end(s)
		w.pass(round)
		if n := w.asked(); n > 0 || len(w.shadow.pollers) > 0 {
			t.Errorf("%d reads, %d users are followed", n, len(w.shadow.pollers))
		}
		w.want(0)
	})
}
