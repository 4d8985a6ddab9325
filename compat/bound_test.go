package compat

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// A stream ends by itself: soon where the reader comes back with an id, late
// where its user sees every end. Jitter only shortens.
func TestBound(t *testing.T) {
	const streams = 100
	for name, c := range map[string]struct {
		target, header string
		bound          time.Duration
	}{
		"an old page":   {"/api/stream", "", oldPage},
		"Last-Event-ID": {"/api/stream", "0", maxDuration},
		"last_event_id": {"/api/stream?last_event_id=0", "", maxDuration},
		"lastEventId":   {"/api/stream?lastEventId=0", "", maxDuration},
		"an unknown id": {"/api/stream", "nonsense", maxDuration},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := &tally{}
			b := newBridge(&rows{}, seen)
			var all []*open
			for i := range streams {
				r := httptest.NewRequest(http.MethodGet, c.target, nil)
				r.Header.Set("User-Agent", strconv.Itoa(i)) // one browser with many streams gets short ones
				r.Header.Set("Last-Event-ID", c.header)
				all = append(all, request(b, r, time.Now().Add(time.Hour)))
			}
			var lasted []time.Duration
			for _, s := range all {
				lasted = append(lasted, s.lasted())
				s.now(t)
			}
			shortest, longest := slices.Min(lasted), slices.Max(lasted)
			if longest > c.bound || shortest < c.bound*93/100 {
				t.Errorf("%s: from %s to %s, want at most 7 %% below %s", name, shortest, longest, c.bound)
			}
			if longest-shortest < c.bound/50 {
				t.Errorf("%s: all of them end together, from %s to %s", name, shortest, longest)
			}
			if got := seen.soFar(); got.opened != streams || !slices.Equal(got.closed, slices.Repeat([]Reason{Bounded}, streams)) {
				t.Errorf("%s: reported %+v", name, got)
			}
		})
	}
}

func TestEndsWithItsCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &tally{}
		s := connectUntil(newBridge(&rows{}, seen), "", time.Now().Add(10*time.Second))
		if lasted := s.lasted(); lasted != 10*time.Second {
			t.Errorf("lasted %s", lasted)
		}
		s.now(t)
		if got := seen.soFar(); !slices.Equal(got.closed, []Reason{Expired}) {
			t.Errorf("reported %+v", got)
		}
	})
}

func TestDrainEndsAllStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &rows{}, &tally{}
		source.add(time.Minute, numbered(30)...)
		b := newBridge(source, seen)
		all := []*open{connect(b, ""), connect(b, "0"), connect(b, "nonsense")}
		time.Sleep(time.Second)
		source.change(func(s *rows) { s.hangs = true })
		time.Sleep(interval)
		if n := b.Drain(); n != len(all) {
			t.Errorf("%d streams were open, want %d", n, len(all))
		}
		for _, s := range all {
			if lasted := s.lasted(); lasted != time.Second+interval {
				t.Errorf("ended after %s", lasted)
			}
			if r := s.now(t); len(r.events) < replay {
				t.Errorf("%d events", len(r.events))
			}
		}
		late := connect(b, "")
		if lasted := late.lasted(); lasted != 0 || late.status != http.StatusOK {
			t.Errorf("a stream opened while draining: %d, lasted %s", late.status, lasted)
		}
		late.now(t)
		if n := b.Drain(); n != 0 {
			t.Errorf("%d streams are still open", n)
		}
		if got := seen.soFar(); !slices.Equal(got.closed, slices.Repeat([]Reason{Drained}, 4)) {
			t.Errorf("reported %+v", got)
		}
	})
}

func TestAReaderThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &rows{hangs: true}, &tally{}
		s := connect(newBridge(source, seen), "")
		time.Sleep(time.Second)
		s.leave()
		if lasted := s.lasted(); lasted != time.Second {
			t.Errorf("lasted %s", lasted)
		}
		if got := seen.soFar(); !slices.Equal(got.closed, []Reason{Gone}) {
			t.Errorf("reported %+v", got)
		}
	})
}
