package backend

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	user     = "alice"
	lookBack = time.Hour
)

// base is a moment; rows are dated in seconds after it.
var base = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func row(second int, id string) Notification {
	return Notification{Key: Key{At: base.Add(time.Duration(second) * time.Second).UnixMicro(), ID: id}, Context: []byte("{}")}
}

// world is an app's table and clock.
type world struct {
	rows []Notification
	now  int // seconds after base
	cut  bool
}

func (w *world) read(t *testing.T, q Query) Page {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 50
	}
	list := NewList(append([]Notification(nil), w.rows...), w.cut, base.Add(time.Duration(w.now)*time.Second))
	p, err := Read(list, user, lookBack, q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ids(p Page) (out []string) {
	for _, n := range p.Items {
		out = append(out, n.ID)
	}
	return out
}

func want(t *testing.T, p Page, more, reset bool, check Check, items ...string) {
	t.Helper()
	if diff := cmp.Diff(items, ids(p), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if p.More != more || p.Reset != reset || p.Check != check {
		t.Errorf("more %v, reset %v, check %q; want %v, %v, %q", p.More, p.Reset, p.Check, more, reset, check)
	}
}

func TestFirstPageIsTheNewest(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(2, "b"), row(3, "c")}, now: 10}
	p := w.read(t, Query{Limit: 2})
	want(t, p, false, false, "", "b", "c")
	want(t, w.read(t, Query{After: p.Place}), false, false, CheckEqual)
}

func TestFirstPageOfNobody(t *testing.T) {
	w := &world{now: 10}
	p := w.read(t, Query{})
	want(t, p, false, false, "")
	if p.Place != "0" {
		t.Fatalf("place %q, want 0", p.Place)
	}
	w.rows = append(w.rows, row(5, "a"), row(6, "b"))
	want(t, w.read(t, Query{After: "0"}), false, false, CheckEqual, "a", "b")
}

func TestOldestFirstNothingSkipped(t *testing.T) {
	w := &world{now: 10}
	p := w.read(t, Query{})
	for i := range 7 {
		w.rows = append(w.rows, row(3, fmt.Sprint(i))) // all in one second
	}
	var got []string
	for range 10 {
		p = w.read(t, Query{After: p.Place, Limit: 3})
		got = append(got, ids(p)...)
		if !p.More {
			break
		}
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6"}, got); diff != "" {
		t.Error(diff)
	}
}

// The app's own endpoint loses every one of these.
func TestLateRowsAreNoticed(t *testing.T) {
	for name, late := range map[string]Notification{
		"same second, smaller id": row(100, "a"),
		"a second earlier":        row(99, "z"),
		"an hour earlier":         row(100-3600, "z"),
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{rows: []Notification{row(100, "m")}, now: 100}
			p := w.read(t, Query{})
			w.rows = append(w.rows, late)
			p = w.read(t, Query{After: p.Place})
			want(t, p, false, false, CheckLate, late.ID, "m")
			want(t, w.read(t, Query{After: p.Place}), false, false, CheckEqual)
		})
	}
}

func TestRowsLaterThanTheLookBackAreLost(t *testing.T) {
	w := &world{rows: []Notification{row(5000, "m")}, now: 5000}
	p := w.read(t, Query{})
	w.rows = append(w.rows, row(5000-3601, "late"))
	want(t, w.read(t, Query{After: p.Place}), false, false, CheckEqual)
}

func TestRepeatsDoNotCountAgainstTheLimit(t *testing.T) {
	w := &world{rows: []Notification{row(1, "b"), row(2, "c")}, now: 2}
	p := w.read(t, Query{})
	w.rows = append(w.rows, row(1, "a"), row(3, "d"), row(4, "e"))
	p = w.read(t, Query{After: p.Place, Limit: 1})
	want(t, p, true, false, CheckLate, "a", "b", "c", "d")
	if p.Repeated != 3 {
		t.Errorf("%d repeated, want 3", p.Repeated)
	}
	want(t, w.read(t, Query{After: p.Place, Limit: 1}), false, false, CheckEqual, "e")
}

func TestDeletionMovesNobodyBack(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(2, "b")}, now: 2}
	p := w.read(t, Query{})
	w.rows = w.rows[:1] // the row of the place itself
	p = w.read(t, Query{After: p.Place})
	want(t, p, false, false, CheckLate, "a")
	w.rows = append(w.rows, row(2, "a2"), row(3, "c"))
	want(t, w.read(t, Query{After: p.Place}), false, false, CheckLate, "a", "a2", "c")
}

func TestReplacedRowIsNewWhenItsTimeIs(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(5, "b")}, now: 5}
	p := w.read(t, Query{})
	w.rows[0] = row(6, "a")
	p = w.read(t, Query{After: p.Place})
	want(t, p, false, false, CheckLate, "a")
	w.rows[0] = row(2, "a") // behind the place again, under another time
	want(t, w.read(t, Query{After: p.Place}), false, false, CheckLate, "a", "b")
}

// Whether a place is settled is decided when its cursor is issued: judged when
// it is used, everything that slid in meanwhile would be lost.
func TestSettledIsDecidedAtIssue(t *testing.T) {
	w := &world{rows: []Notification{row(0, "b")}, now: 3600}
	p := w.read(t, Query{})
	w.rows = append(w.rows, row(0, "a"))
	w.now = 9000
	late := w.read(t, Query{After: p.Place})
	want(t, late, false, false, CheckLate, "a", "b")
	if c, _ := Open(late.Place, user); !c.Settled {
		t.Error("not settled after the look-back")
	}
	w.rows = append(w.rows, row(-1, "too late"))
	want(t, w.read(t, Query{After: late.Place}), false, false, CheckEqual)
}

func TestEmptyPageChangesItsPlaceOnlyOnce(t *testing.T) {
	w := &world{rows: []Notification{row(0, "a")}, now: 10}
	first := w.read(t, Query{})
	if p := w.read(t, Query{After: first.Place}); p.Place != first.Place {
		t.Error("changed while nothing did")
	}
	w.now = 3601
	settled := w.read(t, Query{After: first.Place})
	want(t, settled, false, false, CheckEqual)
	if settled.Place == first.Place {
		t.Error("not settled after the look-back")
	}
	if p := w.read(t, Query{After: settled.Place}); p.Place != settled.Place {
		t.Error("changed again")
	}
}

func TestExpiredRowsCountInTheSumButAreNotShown(t *testing.T) {
	gone := row(1, "a")
	gone.ExpiresAt = base.Add(20 * time.Second)
	w := &world{rows: []Notification{gone, row(2, "b")}, now: 10}
	p := w.read(t, Query{})
	want(t, p, false, false, "", "a", "b")
	w.now = 30
	want(t, w.read(t, Query{After: p.Place}), false, false, CheckEqual)
	want(t, w.read(t, Query{}), false, false, "", "b")
}

func TestBareID(t *testing.T) {
	w := &world{rows: []Notification{row(100, "m"), row(101, "n")}, now: 110}
	want(t, w.read(t, Query{After: "m"}), false, false, CheckBare, "n")
	w.rows = append(w.rows, row(90, "x"), row(60, "too old"))
	// While the item is young, the last 30 s come again, with the item itself, so
	// that a client which takes the newest id for its place does not step back.
	want(t, w.read(t, Query{After: "n"}), false, false, CheckBare, "x", "m", "n")
	w.now = 132
	want(t, w.read(t, Query{After: "n"}), false, false, CheckBare)
}

func TestUnknownPlaceIsReset(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(2, "b")}, now: 10}
	foreign := Cursor{Key: row(1, "a").Key}.Seal("bob")
	for _, place := range []string{"nobody", foreign, "\"'", "00"} {
		p := w.read(t, Query{After: place, Limit: 1})
		want(t, p, false, true, "", "b")
		want(t, w.read(t, Query{After: p.Place}), false, false, CheckEqual)
		want(t, w.read(t, Query{Before: place, Limit: 1}), false, true, "", "b")
	}
}

func TestBefore(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(1, "b"), row(2, "c"), row(3, "d")}, now: 10}
	p := w.read(t, Query{Before: "d", Limit: 2})
	want(t, p, true, false, "", "b", "c")
	if p.Place != "" || p.Latest != nil {
		t.Error("older pages have no cursor and prove nothing")
	}
	want(t, w.read(t, Query{Before: "b", Limit: 2}), false, false, "", "a")
	want(t, w.read(t, Query{Before: w.read(t, Query{}).Place, Limit: 3}), false, false, "", "a", "b", "c")
}

func TestCutSourceSaysSo(t *testing.T) {
	w := &world{rows: []Notification{row(0, "a")}, now: 10}
	p := w.read(t, Query{})
	w.rows, w.cut = []Notification{row(4000, "x"), row(4001, "y")}, true
	gap := w.read(t, Query{After: p.Place, Limit: 1})
	want(t, gap, false, true, CheckGap, "x", "y") // all that is at hand, whatever the limit
	// It reaches the new place, but not over the look-back behind it.
	w.now = 4002
	want(t, w.read(t, Query{After: gap.Place}), false, true, CheckGap, "x", "y")
	w.now = 4001 + 3601
	settled := w.read(t, Query{After: gap.Place})
	want(t, settled, false, true, CheckGap, "x", "y")
	want(t, w.read(t, Query{After: settled.Place}), false, false, CheckEqual)
}

func TestCutSourceCannotReachOlderItems(t *testing.T) {
	list := NewList([]Notification{row(1, "a"), row(2, "b")}, true, base)
	if p, err := Read(list, user, lookBack, Query{Before: "b", Limit: 5}); err != nil || len(p.Items) != 1 {
		t.Errorf("what is at hand: %v, %v", p.Items, err)
	}
	for _, place := range []string{"a", Cursor{Key: row(0, "z").Key}.Seal(user)} {
		if _, err := Read(list, user, lookBack, Query{Before: place, Limit: 5}); FaultOf(err) != OutOfReach {
			t.Errorf("%s: %v, want %s", place, err, OutOfReach)
		}
	}
}

// Every mark is a place from which a reader that was cut off goes on exactly.
func TestMarksAreCursors(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(1, "b"), row(3000, "c"), row(5000, "d")}, now: 5001}
	p := w.read(t, Query{After: "0"})
	for i, m := range p.Marks {
		next := w.read(t, Query{After: m.Seal(user)})
		want(t, next, false, false, CheckEqual, ids(p)[i+1:]...)
	}
	if len(p.Marks) != 4 || p.Marks[3].Seal(user) != p.Place {
		t.Errorf("%d marks, the last must be the page's place", len(p.Marks))
	}
}
