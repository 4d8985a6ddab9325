package compat

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// A failing source ends no stream. Readers are told to stay away longer while it
// fails, once, and are called back when it answers again.
func TestASourceThatFails(t *testing.T) {
	for name, fault := range map[string]error{
		"down":                    &backend.Error{Fault: backend.Unavailable},
		"refuses the credential":  &backend.Error{Fault: backend.Unauthorized},
		"something else entirely": errors.New("x"),
	} {
		synctest.Test(t, func(t *testing.T) {
			source, seen := &rows{err: fault}, &tally{}
			s := connect(newBridge(source, seen), "")
			defer s.close()
			time.Sleep(time.Minute)
			r := s.now(t)
			if !s.isOpen() || len(r.events) != 0 || len(r.comments) < 1+3 {
				t.Errorf("%s: open: %t, %+v", name, s.isOpen(), r)
			}
			if len(r.retries) != 2 || r.retries[1] < 10_000 || r.retries[1] >= 20_000 {
				t.Errorf("%s: told to come back after %v ms", name, r.retries)
			}
			if failed := seen.soFar().failed; failed != 13 {
				t.Errorf("%s: %d failures reported, want one every %s", name, failed, interval)
			}

			source.change(func(s *rows) { s.err = nil })
			source.add(0, "a")
			time.Sleep(interval)
			r = s.now(t)
			wantIDs(t, r, "a")
			if len(r.retries) != 3 || r.retries[2] >= 3000 {
				t.Errorf("%s: after the trouble, told to come back after %v ms", name, r.retries)
			}
		})
	}
}

// A source that hangs holds up neither heartbeats nor the end, and is not asked
// again while it hangs.
func TestASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &rows{hangs: true}, &tally{}
		s := connect(newBridge(source, seen), "")
		if lasted := s.lasted(); lasted < oldPage*93/100 {
			t.Errorf("lasted %s", lasted)
		}
		r := s.now(t)
		wantHeartbeats(t, s)
		if source.reads() != 1 || len(r.comments) < 1+17 {
			t.Errorf("%d reads, %d comments", source.reads(), len(r.comments))
		}
		if got := seen.soFar(); !slices.Equal(got.closed, []Reason{Bounded}) {
			t.Errorf("reported %+v", got)
		}
	})
}

// A notification that cannot be written holds back its page, whole, and no more.
func TestAnItemThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &rows{}, &tally{}
		source.add(time.Second, "a", "b")
		source.change(func(s *rows) { s.all[1].Context = []byte("{") })
		s := connect(newBridge(source, seen), "")
		defer s.close()
		if r := s.now(t); len(r.events) != 0 || len(r.retries) != 2 || seen.soFar().failed != 1 {
			t.Errorf("%+v", r)
		}
		source.change(func(s *rows) { s.all[1].Context = []byte("{}") })
		time.Sleep(interval)
		wantIDs(t, s.now(t), "a", "b")
	})
}

// No silence is longer than the heartbeat, whatever else is sent.
func TestHeartbeats(t *testing.T) {
	for name, every := range map[string]time.Duration{
		"idle": time.Hour, "now and then": 17 * time.Second, "shortly before each heartbeat": 14 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			source := &rows{}
			s := connect(newBridge(source, &tally{}), "")
			for i := range int(oldPage / every) {
				time.Sleep(every)
				source.add(0, numbered(100)[i])
			}
			s.lasted()
			r := s.now(t)
			wantHeartbeats(t, s)
			if every == time.Hour && len(r.comments) != 1+int(s.flushed()[len(s.flushed())-1].Sub(s.started)/beat) {
				t.Errorf("%s: %d comments", name, len(r.comments))
			}
		})
	}
}

func wantHeartbeats(t *testing.T, s *open) {
	t.Helper()
	before := s.started
	for _, at := range append(s.flushed(), s.end) {
		if silence := at.Sub(before); silence > beat {
			t.Errorf("%s of silence after %s", silence, before.Sub(s.started))
		}
		before = at
	}
}

// Readers that were cut off together shall not come back together, nor storm.
func TestRetryDiffersAndIsNeverShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBridge(&rows{}, &tally{})
		b.Drain()
		seen := map[int]bool{}
		for range 1000 {
			s := connect(b, "")
			s.lasted()
			retries := s.now(t).retries
			if len(retries) != 1 || retries[0] < 1000 || retries[0] >= 3000 {
				t.Fatalf("retry %v ms", retries)
			}
			seen[retries[0]] = true
		}
		if len(seen) < 500 {
			t.Errorf("only %d different values in 1000", len(seen))
		}
	})
}
