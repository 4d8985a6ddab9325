package compat

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

const goodbye = "Reload\nthis <page>"

func newFarewell(s backend.Source) *Bridge {
	b := newBridge(s, &tally{})
	b.options.Farewell = goodbye
	b.options.SayFarewell = func() bool { return true }
	return b
}

// farewells are the ids under which a reader was told to reload.
func (r reading) farewells(t *testing.T) (ids []string) {
	t.Helper()
	for _, e := range r.events {
		var envelope struct {
			Type string
			Data struct {
				ID, Level, Text string
				CreatedAt       string `json:"created_at"`
				Context         map[string]any
			}
		}
		if err := json.Unmarshal([]byte(e.data), &envelope); err != nil {
			t.Fatal(err)
		}
		d := envelope.Data
		if d.Text != goodbye {
			continue
		}
		if _, dated := backend.ParseTime(d.CreatedAt); envelope.Type != "notification.created" || d.Level != "info" || d.Context == nil || !dated {
			t.Errorf("not as the app's own: %s", e.data)
		}
		ids = append(ids, d.ID)
	}
	return ids
}

// To the page it is one more notification, behind the first ones, and the reader's
// place stays where these left it.
func TestAnOldPageIsToldToReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, "a", "b")
		s := connect(newFarewell(source), "")
		defer s.close()
		r := s.now(t)
		told := r.farewells(t)
		if len(told) != 1 || len(r.events) != 3 || r.events[2].data == r.events[1].data {
			t.Fatalf("%+v", r.events)
		}
		if r.place != r.events[1].lastEventID+toldMark {
			t.Errorf("the place went from %q to %q", r.events[1].lastEventID, r.place)
		}
		source.add(0, "c")
		time.Sleep(2 * interval)
		wantIDs(t, s.now(t), "a", "b", told[0], "c")
	})
}

// The old page takes what has the same id, level and text for shown.
func TestTheFarewellHasOneIDADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newFarewell(&rows{}), []string(nil)
		for range 4 {
			s := connect(b, "")
			ids = append(ids, s.now(t).farewells(t)...)
			s.close()
			time.Sleep(8 * time.Hour) // from midnight on
		}
		if len(ids) != 4 || ids[0] != ids[1] || ids[1] != ids[2] || ids[2] == ids[3] {
			t.Errorf("%q", ids)
		}
		if today := time.Now(); farewellID("alice", today) == farewellID("bob", today) {
			t.Error("two users have one id")
		}
	})
}

// A plain EventSource does not remove repeats, but comes back with its last id: it
// is told once, and its place is as good as before.
func TestAPlainPageIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, "a")
		b, place, told, seen := newFarewell(source), "", 0, []string(nil)
		for i := range 5 {
			s := connect(b, place)
			source.add(0, string(rune('b'+i)))
			s.lasted()
			r := s.now(t)
			told += len(r.farewells(t))
			seen = append(seen, r.idsOf()...)
			place = r.place
			time.Sleep(time.Second)
			b = newFarewell(source) // a deploy: nothing is remembered here
		}
		if told != 1 || len(seen) != 7 || !strings.HasSuffix(place, toldMark) {
			t.Errorf("told %d times, saw %q, stands at %q", told, seen, place)
		}
		if _, ok := backend.Open(strings.TrimSuffix(place, toldMark), "alice"); !ok {
			t.Errorf("%q is no place", place)
		}
		for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
			if !slices.Contains(seen, id) {
				t.Errorf("%s is lost: %q", id, seen)
			}
		}
	})
}

// A page that came before it began is told when it comes back, whatever it names.
func TestThePagesThatAreThereAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, on := newFarewell(&rows{}), false
		b.options.SayFarewell = func() bool { return on }
		s := connect(b, "")
		r := s.now(t)
		on = true
		s.lasted()
		if told := s.now(t).farewells(t); len(r.events) != 0 || len(told) != 0 {
			t.Errorf("told before its stream ended: %+v", r)
		}
		for name, place := range map[string]string{"a plain page": r.place, "an id of the app": "a" + toldMark, "somebody else's": backend.Cursor{Key: backend.Key{At: 1, ID: "x"}}.Seal("bob") + toldMark} {
			s := connect(b, place)
			if told := s.now(t).farewells(t); len(told) != 1 {
				t.Errorf("%s: told %d times", name, len(told))
			}
			s.close()
		}
	})
}

func TestWhoIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFarewell(&rows{})
		ours := request(b, httptest.NewRequest("GET", "/api/stream?last_event_id=0", nil), time.Now().Add(time.Hour))
		if told := ours.now(t).farewells(t); len(told) != 0 {
			t.Error("our own client was told")
		}
		ours.close()
		b.options.Farewell = ""
		s := connect(b, "")
		if r := s.now(t); len(r.events) != 0 {
			t.Errorf("without a text: %+v", r.events)
		}
		s.close()
	})
}

// While the source fails, the reader's place is not known, and so it is told later.
func TestTheFarewellWaitsForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{err: &backend.Error{Fault: backend.Unavailable}}
		s := connect(newFarewell(source), "")
		defer s.close()
		if r := s.now(t); len(r.events) != 0 || r.place != "" {
			t.Errorf("%+v", r)
		}
		source.change(func(r *rows) { r.err = nil })
		time.Sleep(interval)
		if r := s.now(t); len(r.farewells(t)) != 1 || r.place != "0"+toldMark {
			t.Errorf("%+v", r)
		}
	})
}

// A reader that is cut off after any byte of it has in the end seen every row, and
// been told at least once.
func TestAFarewellCutOffAnywhereLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, "x", "y", "z")
		b := newFarewell(source)
		whole := connect(b, "0")
		whole.now(t)
		text := whole.text()
		whole.close()
		for cut := range len(text) {
			first := readEvents(text[:cut])
			s := connect(b, first.place)
			second := s.now(t)
			s.close()
			got := append(first.idsOf(), second.idsOf()...)
			for _, id := range []string{"x", "y", "z", farewellID("alice", time.Now())} {
				if n := strings.Count(strings.Join(got, " ")+" ", id+" "); n < 1 {
					t.Fatalf("cut off after %q: %s is lost, seen %v", text[:cut], id, got)
				}
			}
		}
	})
}
