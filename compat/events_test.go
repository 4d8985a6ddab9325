package compat

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// The response is committed before the first read of the source has ended.
func TestAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connect(newBridge(&rows{hangs: true}, &tally{}), "")
		defer s.close()
		r := s.now(t)
		if time.Since(s.started) != 0 || s.status != http.StatusOK || len(s.flushed()) != 1 {
			t.Errorf("status %d, %d flushes", s.status, len(s.flushed()))
		}
		if len(r.comments) != 1 || len(r.retries) != 1 || len(r.events) != 0 || r.place != "" {
			t.Errorf("want a comment and a retry, got %+v", r)
		}
		for name, want := range map[string]string{
			"Content-Type":      "text/event-stream; charset=utf-8",
			"Cache-Control":     "no-cache, no-store, no-transform",
			"X-Accel-Buffering": "no",
		} {
			if got := s.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if len(s.header) != 3 {
			t.Errorf("more headers: %v", s.header)
		}
	})
}

func TestEventsOldestFirstInTheLegacyEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(5*time.Second, "a")
		source.add(3*time.Second, "b", "c")
		s := connect(newBridge(source, &tally{}), "")
		defer s.close()
		r := s.now(t)
		wantIDs(t, r, "a", "b", "c")
		want := `{"type":"notification.created","data":{"id":"a","level":"info","text":"text of a","title":"T","created_at":"1999-12-31 23:59:55","context":{"job_id":"7"}}}`
		if r.events[0].data != want {
			t.Errorf("%s\nwant %s", r.events[0].data, want)
		}
		for i, e := range r.events {
			if c, ok := backend.Open(e.lastEventID, "alice"); !ok || c.ID != string("abc"[i]) {
				t.Errorf("event %d: id %q stands at %q", i, e.lastEventID, c.ID)
			}
		}
	})
}

func TestNewItemsComeWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &rows{}, &tally{}
		s := connect(newBridge(source, seen), "")
		defer s.close()
		for _, id := range []string{"a", "b", "c"} {
			time.Sleep(time.Second)
			source.add(0, id)
			time.Sleep(interval)
		}
		wantIDs(t, s.now(t), "a", "b", "c")
		if o := seen.soFar(); o.delivered != 3 || o.opened != 1 || len(o.closed) != 0 {
			t.Errorf("reported: %+v", o)
		}
	})
}

// A reader without a place gets the app's newest 20.
func TestStartsWithTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, numbered(50)...)
		s := connect(newBridge(source, &tally{}), "")
		defer s.close()
		wantIDs(t, s.now(t), numbered(50)[30:]...)
	})
}

// What does not fit into one read follows at once, not at the next interval.
func TestABacklogComesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, numbered(50)...)
		s := connect(newBridge(source, &tally{}), "0")
		defer s.close()
		wantIDs(t, s.now(t), numbered(50)...)
		if passed := time.Since(s.started); passed != 0 || source.reads() != 3 {
			t.Errorf("after %s, in %d reads", passed, source.reads())
		}
	})
}

// Whatever a reader says its place is, the answer is a stream that it can use.
func TestUnknownPlaces(t *testing.T) {
	long := make([]byte, 5000)
	for i := range long {
		long[i] = 'x'
	}
	bobs := backend.Cursor{Key: backend.Key{At: 1, ID: "x"}}.Seal("bob")
	for _, place := range []string{"nonsense", `"'`, "a\x00b", "\xff", string(long), bobs} {
		synctest.Test(t, func(t *testing.T) {
			source := &rows{}
			source.add(time.Minute, "a", "b")
			s := connect(newBridge(source, &tally{}), place)
			defer s.close()
			r := s.now(t)
			wantIDs(t, r, "a", "b")
			if _, ok := backend.Open(r.place, "alice"); !ok || s.status != http.StatusOK {
				t.Errorf("%.20q: status %d, place %q", place, s.status, r.place)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	for target, want := range map[string]string{
		"/api/stream":                                 "",
		"/api/stream?last_event_id=a":                 "a",
		"/api/stream?lastEventId=b":                   "b",
		"/api/stream?last_event_id=a&lastEventId=b":   "a",
		"/api/stream?last_event_id=&lastEventId=b":    "b",
		"/api/stream?lastEventId=b%20c&other=d&x=%zz": "b c",
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if got := Place(r); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
		r.Header.Set("Last-Event-ID", "h")
		if got := Place(r); got != "h" {
			t.Errorf("%s with Last-Event-ID: %q", target, got)
		}
	}
}
