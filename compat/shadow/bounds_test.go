package shadow

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

func enter(w *world, user string) *Stream {
	return w.shadow.Enter(backend.Caller{User: user}, time.Now().Add(time.Hour))
}

func TestSoManyUsers(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range most {
			if w.tabs = append(w.tabs, enter(w, fmt.Sprint(i))); w.tabs[i] == nil {
				t.Fatalf("user %d is not followed", i)
			}
		}
		if enter(w, "one more") != nil {
			t.Error("one more is followed")
		}
		if enter(w, "7") == nil {
			t.Error("another tab is not")
		}
		w.change(func() { w.slow = time.Second })
		w.pass(time.Minute)
		w.change(func() {
			if w.most != reads {
				t.Errorf("%d reads at a time, want %d", w.most, reads)
			}
		})
		w.end(w.tabs[0])
		w.pass(settle + time.Minute)
		if enter(w, "one more") == nil {
			t.Error("nobody takes the place of who has left")
		}
	})
}

func TestMoreEventsThanCanBeFollowed(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.add(0, "a")
		w.deliver(s, "a")
		w.hidden["a"] = true
		w.change(func() { w.hangs = true })
		w.pass(interval) // the poll hangs
		w.add(0, numbered(0, mostUnread+1)...)
		w.deliver(s, numbered(0, mostUnread+1)...)
		if n := len(s.all.unread); n != mostUnread {
			t.Errorf("%d deliveries are kept", n)
		}
		w.shadow.Close()
	})
	inWorld(t, func(w *world) {
		s := w.tab()
		w.add(0, "a")
		w.deliver(s, "a")
		w.add(0, numbered(0, mostUnread+1)...)
		s.Heard(w.keys(numbered(0, mostUnread+1)...)) // at once
		w.settled()
		if w.seen.inconclusive[TooMany] < 1 || len(w.seen.missed)+len(w.seen.extra) > 0 {
			t.Errorf("%+v", w.seen.found)
		}
		w.pass(interval)

		w.add(0, "x")
		repeats := slices.Repeat(w.keys("a"), mostUnread)
		s.Heard(append(repeats, w.keys("x")...)) // one too many
		w.settled()
		w.pass(settle)
		if len(w.seen.extra) > 0 {
			t.Errorf("%v: perhaps the stream delivered it", w.seen.extra)
		}
		w.add(0, "b")
		before := len(w.seen.lateness)
		w.deliver(s, "b")
		w.settled()
		if len(w.seen.lateness) != before+1 {
			t.Error("it does not go on")
		}
	})
}

// What is older than all that is remembered is not compared, and the memory is small.
func TestALongMemory(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		seen := &tally{}
		m := newMemory(seen)
		at := func(i int) item { return item{fmt.Sprint(i), int64(i)} }
		for i := 1; i <= 2*mostItems; i++ {
			m.streamed(at(i), time.Now())
			if i <= mostItems {
				m.polled(at(i), time.Now(), time.Now())
			}
		}
		if len(m.items) != mostItems || m.floor != mostItems || len(seen.inconclusive) > 0 {
			t.Errorf("%d items above %d, %v", len(m.items), m.floor, seen.inconclusive)
		}
		for i := 1; i <= mostItems; i++ { // repeats
			m.polled(at(i), time.Now(), time.Now())
			m.streamed(at(i), time.Now())
		}
		if len(m.items) != mostItems || len(seen.lateness) != mostItems {
			t.Errorf("%d items, %d compared", len(m.items), len(seen.lateness))
		}
		m.streamed(at(2*mostItems+1), time.Now())
		if seen.inconclusive[TooMany] != 1 {
			t.Errorf("%v: one was not judged yet", seen.inconclusive)
		}
	})
}

// More pages than a poll follows.
func TestMorePagesThanCanBeFollowed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tab()
		w.add(0, numbered(0, mostPages+1)...)
		w.settled()
		if w.seen.inconclusive[TooMany] == 0 || len(w.seen.extra) > 0 {
			t.Errorf("%+v", w.seen.found)
		}
	}, func(o *Options) { o.Limit = 1 })
}

// The app's endpoint shows the newest 100 rows: what falls out of them between two
// polls is beyond its reach.
func TestOutOfReach(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(func() { w.newest = 100 })
		w.add(time.Hour, numbered(0, 150)...)
		s := w.tab()
		w.add(0, numbered(1000, 20)...)
		w.deliver(s, numbered(1000, 20)...)
		time.Sleep(time.Second)
		w.add(0, numbered(2000, 100)...)
		w.settled()
		w.want(0, "120 out_of_reach")
		w.add(0, "a")
		w.deliver(s, "a")
		w.settled()
		w.want(1, "120 out_of_reach")
	})
}

func TestACredentialThatExpires(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.shadow.Enter(alice, time.Now().Add(time.Minute))
		w.tabs = append(w.tabs, s)
		w.pass(time.Minute)
		w.add(0, "a")
		asked := w.asked()
		w.deliver(s, "a")
		w.pass(3 * settle)
		if now := w.asked(); now != asked {
			t.Errorf("%d reads with a credential that is over", now-asked)
		}
		w.want(0, "1 read_failed")

		s = w.opened() // with a new one
		w.pass(2 * interval)
		w.add(0, "b")
		w.deliver(s, "b")
		w.settled()
		w.want(1, "1 read_failed")
	})
}

// At the end of the gateway what is open stays open.
func TestClose(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.hidden["a"] = true
		w.add(0, "a", "b")
		w.deliver(s, "a")
		w.pass(interval) // a is streamed only, b polled only
		w.change(func() { w.hangs = true })
		w.pass(interval)
		w.shadow.Close()
		w.want(0, "2 stopped")
		w.deliver(s, "a", "b")
		s.Ended()
		s.Ended()
		if enter(w, "bob") != nil || w.seen.open != 0 {
			t.Errorf("it goes on, with %d streams", w.seen.open)
		}
	})
}

// However long the source takes, what the stream tells is put aside at once.
func TestTheStreamNeverWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.change(func() { w.hangs = true })
		w.pass(interval)
		w.add(0, numbered(0, 2*mostUnread)...)
		before := time.Now()
		for range 3 {
			s.Heard(w.keys(numbered(0, 2*mostUnread)...))
			s.Heard(nil)
		}
		s.Ended()
		if took := time.Since(before); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}
