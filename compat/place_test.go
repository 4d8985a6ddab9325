package compat

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// scripted answers each read with its next page, and then with empty ones.
type scripted struct{ pages []backend.Page }

func (s *scripted) Read(_ context.Context, _ backend.Caller, q backend.Query) (backend.Page, error) {
	if len(s.pages) == 0 {
		return backend.Page{Place: q.After}, nil
	}
	p := s.pages[0]
	s.pages = s.pages[1:]
	return p, nil
}

func item(id string, at int64) backend.Notification {
	return backend.Notification{Key: backend.Key{At: at, ID: id}, Context: json.RawMessage(`{}`)}
}

// Repeats stand behind the reader's place, which they must not move back.
func TestRepeatsCarryNoID(t *testing.T) {
	mark := backend.Cursor{Key: backend.Key{At: 3, ID: "c"}, Sum: 1}
	last := backend.Cursor{Key: backend.Key{At: 4, ID: "d"}, Sum: 2}.Seal("alice")
	for name, c := range map[string]struct {
		page backend.Page
		want []string // the place after each event
	}{
		"before new items": {
			backend.Page{Items: []backend.Notification{item("a", 1), item("b", 2), item("c", 3), item("d", 4)}, Repeated: 2, Marks: []backend.Cursor{mark, {}}, Place: last},
			[]string{"", "", mark.Seal("alice"), last},
		},
		"alone: the last one ends the page": {
			backend.Page{Items: []backend.Notification{item("a", 1), item("b", 2)}, Repeated: 2, Place: last},
			[]string{"", last},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := connect(newBridge(&scripted{[]backend.Page{c.page}}, &tally{}), "")
			defer s.close()
			var got []string
			for _, e := range s.now(t).events {
				got = append(got, e.lastEventID)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		})
	}
}

// An empty page can move the place: the reader is told without an event.
func TestAPlaceThatMovesWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connect(newBridge(&scripted{[]backend.Page{{Place: "p1"}, {Place: "p1"}, {Place: "p2"}}}, &tally{}), "p0")
		defer s.close()
		for i, want := range []struct {
			place   string
			flushes int
		}{{"p1", 2}, {"p1", 2}, {"p2", 3}} {
			if r := s.now(t); r.place != want.place || len(s.flushed()) != want.flushes || len(r.events) != 0 {
				t.Errorf("read %d: place %q, %d flushes, want %+v", i, r.place, len(s.flushed()), want)
			}
			time.Sleep(interval)
		}
	})
}

// A row that becomes visible behind the reader's place is sent, with the rows
// around it; the place stays ahead of all of them.
func TestALateRowIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(9*time.Second, "a")
		source.add(3*time.Second, "c")
		s := connect(newBridge(source, &tally{}), "")
		defer s.close()
		before := s.now(t)
		source.add(6*time.Second, "b")
		time.Sleep(interval)
		after := s.now(t)
		wantIDs(t, after, "a", "c", "a", "b", "c")
		c, ok := backend.Open(after.place, "alice")
		if was, _ := backend.Open(before.place, "alice"); !ok || c.ID != "c" || c.Sum == was.Sum {
			t.Errorf("the place went from %+v to %+v", was, c)
		}
	})
}

// A reader that is cut off after any byte, and comes back with the id it knows,
// has in the end seen every row.
func TestAReaderCutOffAnywhereLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(20*time.Minute, numbered(3)...)
		source.add(time.Minute, "x", "y", "z")
		b := newBridge(source, &tally{})
		whole := connect(b, "0")
		whole.now(t)
		text := whole.text()
		whole.close()
		for cut := range len(text) {
			first := readEvents(text[:cut])
			// Without a place it starts with the newest 20, which are all there are.
			s := connect(b, first.place)
			got := append(first.ids(t), s.now(t).ids(t)...)
			s.close()
			for _, n := range source.all {
				if !slices.Contains(got, n.ID) {
					t.Fatalf("cut off after %q: %s is lost, seen %v", text[:cut], n.ID, got)
				}
			}
		}
	})
}

// A place that is no text must not reach a database as one.
func TestOddPlaces(t *testing.T) {
	for sent, want := range map[string]string{
		"?last_event_id=a%00b":                     "a?b",
		"?last_event_id=%ff":                       "?",
		"?lastEventId=" + strings.Repeat("x", 300): strings.Repeat("x", maxPlace),
		"?last_event_id=&lastEventId=b":            "b",
		"":                                         "",
	} {
		if got := Place(httptest.NewRequest("GET", "/api/stream"+sent, nil)); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}
