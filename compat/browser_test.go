package compat

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// back waits as the old page does and connects again, without an id.
func back(b *Bridge, after time.Duration) *open {
	time.Sleep(after)
	return connect(b, "")
}

// We ended the stream and the browser was back at once: it goes on exactly there.
func TestAProvenReconnectRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		s.add(time.Minute, "a", "b")
		b := newBridge(s, &tally{})
		o := connect(b, "")
		wantIDs(t, o.now(t), "a", "b")
		o.lasted()
		s.add(0, "between")
		o = back(b, time.Second)
		defer o.close()
		wantIDs(t, o.now(t), "between")
	})
}

// Without proof a reconnect repeats what is recent, and whatever came since the
// last proof.
func TestAnUnprovenReconnectMissesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*open)
		wait time.Duration
	}{
		"cut":               {(*open).close, time.Second},
		"back too soon":     {func(o *open) { o.lasted() }, 500 * time.Millisecond}, // the page waits 1 s: it has not seen the end
		"back too late":     {func(o *open) { o.lasted() }, 6 * time.Second},
		"cut and back late": {(*open).close, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rows{}
				b := newBridge(s, &tally{})
				s.add(time.Hour, "old")
				connect(b, "").lasted()
				o := back(b, time.Second) // proof: all up to old
				wantIDs(t, o.now(t))
				s.add(0, "a") // perhaps received, perhaps not
				time.Sleep(interval)
				wantIDs(t, o.now(t), "a")
				c.end(o)
				s.add(0, "b")
				o = back(b, c.wait)
				defer o.close()
				wantIDs(t, o.now(t), "a", "b")
			})
		})
	}
}

func TestALongBacklogIsCutToTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(time.Hour, "old")
		connect(b, "").lasted()
		back(b, time.Second).close()
		time.Sleep(time.Hour)
		s.add(time.Minute, numbered(150)...)
		o := connect(b, "")
		defer o.close()
		wantIDs(t, o.now(t), numbered(150)[50:]...)
	})
}

// Tabs cannot be told apart: whichever is back may be the one that is behind.
func TestTwoTabsThatEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(time.Hour, "old")
		behind := connect(b, "")
		wantIDs(t, behind.now(t), "old")
		s.add(0, "a")
		ahead := connect(b, "") // has a at once; the other would read it at its next round
		wantIDs(t, ahead.now(t), "old", "a")
		b.Drain()
		behind.lasted()
		ahead.lasted()
		restarted := newBridge(s, &tally{})
		restarted.options.Browsers = b.options.Browsers
		for range 2 {
			o := back(restarted, time.Second)
			wantIDs(t, o.now(t), "a")
			defer o.close()
		}
	})
}

func TestAnotherBrowserIsAnother(t *testing.T) {
	request := func(agent string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/api/stream", nil)
		r.Header.Set("User-Agent", agent)
		return r
	}
	same := browserOf(request("x"), alice)
	for name, other := range map[string]string{
		"user":       browserOf(request("x"), backend.Caller{User: "bob", Token: "t"}),
		"credential": browserOf(request("x"), backend.Caller{User: "alice", Token: "u"}),
		"User-Agent": browserOf(request("y"), alice),
		"boundaries": browserOf(request("t\x00x"), backend.Caller{User: "alice"}),
	} {
		if other == same {
			t.Errorf("another %s is the same browser", name)
		}
	}
	if browserOf(request("x"), alice) != same {
		t.Error("a browser is not itself")
	}
}

func TestTheFifthStreamIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBridge(&rows{}, &tally{})
		for range longStreams {
			defer connect(b, "0").close() // names a place: it is short anyway, and takes no room
			synctest.Wait()
		}
		var held []*open
		for range longStreams {
			held = append(held, connect(b, ""))
			synctest.Wait()
		}
		if lasted := connect(b, "").lasted(); lasted > maxDuration {
			t.Errorf("the fifth lasted %s", lasted)
		}
		held[0].close()
		held[0] = connect(b, "")
		time.Sleep(maxDuration)
		for i, h := range held {
			if !h.isOpen() {
				t.Errorf("stream %d is short although there is room", i)
			}
			h.close()
		}
	})
}

// However often the tabs of a browser come back, in whatever order: as many
// streams as may be are long.
func TestFourStreamsStayLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const duration, more = 4 * time.Hour, 2
		b, begin := newBridge(&rows{}, &tally{}), time.Now()
		var ends atomic.Int64
		var tabs sync.WaitGroup
		for range longStreams + more {
			tabs.Go(func() {
				for time.Since(begin) < duration {
					connect(b, "").lasted()
					ends.Add(1)
					time.Sleep(time.Second)
				}
			})
		}
		tabs.Wait()
		const long, short = duration / (oldPage * 93 / 100), duration / (maxDuration * 93 / 100)
		if most := int64(longStreams*long + more*short); ends.Load() > most {
			t.Errorf("%d streams ended, want at most %d", ends.Load(), most)
		}
	})
}

// forgetful are Browsers that are down.
type forgetful struct{}

func (forgetful) Update(context.Context, string, func(*Browser)) error { return errors.New("down") }

func TestWhatCannotBeRememberedEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := &rows{}, &tally{}
		s.add(time.Minute, "a")
		b := newBridge(s, seen)
		b.options.Browsers = forgetful{}
		o := connect(b, "")
		wantIDs(t, o.now(t), "a")
		if o.lasted() < oldPage*93/100 || o.status != http.StatusOK || seen.soFar().unknown == 0 {
			t.Errorf("status %d, reported %+v", o.status, seen.soFar())
		}
		if place, err := b.Resume(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil), alice); place != "" || err != nil {
			t.Errorf("resume: %q, %v", place, err)
		}
	})
}

// While the source fails, a reader without a place keeps its claim to a start.
func TestAStartThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{err: errors.New("down")}
		s.add(time.Hour, numbered(30)...)
		o := connect(newBridge(s, &tally{}), "")
		defer o.close()
		wantIDs(t, o.now(t))
		s.change(func(s *rows) { s.err = nil })
		time.Sleep(interval)
		wantIDs(t, o.now(t), numbered(30)[10:]...)
	})
}

// A tab that went away shortly before another one's stream was ended may be the
// one that is back, and then has not received what the other one has.
func TestATabThatWasCutProvesNothingForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(time.Hour, "old")
		stays, leaves := connect(b, ""), connect(b, "")
		synctest.Wait()
		time.Sleep(oldPage*93/100 - time.Second)
		leaves.close() // to the next page
		s.add(0, "a")
		stays.lasted()
		wantIDs(t, stays.now(t), "old", "a")
		o := back(b, 100*time.Millisecond)
		defer o.close()
		wantIDs(t, o.now(t), "old", "a") // what is repeated, the page removes
	})
}

// Where nothing is proven, the page gets what was created since the overlap
// began; a row that becomes visible later than that is left to the activity page.
func TestLaterThanTheOverlapIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		o := connect(b, "")
		time.Sleep(oldPage*93/100 - 6*time.Second)
		s.add(0, "a")
		o.lasted()
		o = back(b, time.Second) // proof: all up to a
		wantIDs(t, o.now(t))
		o.close()
		s.add(overlap-time.Second, "in time")
		s.add(overlap+10*time.Second, "too late")
		o = back(b, 0)
		defer o.close()
		wantIDs(t, o.now(t), "in time", "a")
	})
}

// Whoever opens and closes streams without end makes the record no larger, and proves nothing.
func TestOfManyEndsFewAreRemembered(t *testing.T) {
	now, place := time.Now(), func(second int64) string { return backend.Since(time.Unix(second, 0)).Seal("alice") }
	for name, places := range map[string][]string{"cut": {""}, "ended": {place(1)}, "both": {place(1), ""}} {
		var b Browser
		for i := range 100 * mostEnds {
			now = now.Add(10 * time.Millisecond)
			b.leave(uint64(i), now, true, places[i%len(places)])
			if len(b.Ended) > mostEnds {
				t.Fatalf("%s: %d ends are remembered", name, len(b.Ended))
			}
		}
		b.leave(0, now, true, place(2))
		if got, proven := b.prove("alice", now.Add(time.Second)); proven {
			t.Errorf("%s: %q is proven", name, got)
		}
		now = now.Add(cutWithin + time.Second)
		b.leave(0, now, true, place(3))
		if got, proven := b.prove("alice", now.Add(time.Second)); !proven || got != place(3) {
			t.Errorf("%s: later %q is proven: %v", name, got, proven)
		}
	}
}

// A cut that a gateway noted whose clock is ahead spoils a proof like any other.
func TestACutOnAGatewayWhoseClockIsAhead(t *testing.T) {
	now, place := time.Now(), backend.Since(time.Unix(1, 0)).Seal("alice")
	var b Browser
	b.leave(1, now.Add(-2*time.Second), true, place)
	b.leave(2, now.Add(2*time.Second), true, "")
	if _, proven := b.prove("alice", now); proven {
		t.Error("it may be the one that was cut off who is back")
	}
	if _, proven := b.prove("alice", now.Add(-cutWithin)); proven || len(b.Ended) != 0 {
		t.Errorf("a clock that is off by more than a cut counts for leaves %+v", b.Ended)
	}
}
