package sqlstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/backend"
	"sluice/backend/sourcetest"
)

// counting counts how views are opened.
type counting struct {
	engine
	begun, glanced int
}

func (c *counting) begin(ctx context.Context) (*view, error) {
	c.begun++
	return c.engine.begin(ctx)
}

func (c *counting) glance(ctx context.Context) (*view, error) {
	c.glanced++
	return c.engine.glance(ctx)
}

// A poll that finds nothing is one statement, if nothing can have slid in behind its place;
// everything else is a transaction.
func TestEmptyPollNeedsNoTransaction(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (*Store, sourcetest.App){
		"sqlite": func(t *testing.T) (*Store, sourcetest.App) {
			a := newApp(t, "app.db")
			return openStore(t, a.path), a
		},
		"postgres": func(t *testing.T) (*Store, sourcetest.App) {
			a := newPGApp(t, layouts["legacy text"])
			return openPG(t, a.url), a
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, a := open(t)
			a.Insert(t, sourcetest.Row{ID: "old", User: "alice", CreatedAt: time.Now().Add(-2 * LookBack)})
			c := &counting{engine: s.engine}
			s.engine = c
			settled := read(t, s, "alice", pollOf(5)).Place
			expect := func(what, user, after string, items string, begun, glanced int) (place string) {
				t.Helper()
				c.begun, c.glanced = 0, 0
				p := read(t, s, user, backend.Query{After: after, Limit: 5})
				if got := ids(p.Items); got != items || p.Reset || c.begun != begun || c.glanced != glanced {
					t.Errorf("%s: %q, reset %v; %d transactions and %d glances, want %q, %d and %d", what, got, p.Reset, c.begun, c.glanced, items, begun, glanced)
				}
				return p.Place
			}
			if place := expect("nothing new", "alice", settled, "", 0, 1); place != settled {
				t.Errorf("the place moved from %s to %s", settled, place)
			}
			expect("nothing at all", "bob", "0", "", 0, 1)
			a.Insert(t, sourcetest.Row{ID: "new", User: "alice", CreatedAt: time.Now()})
			fresh := expect("something new", "alice", settled, "new", 1, 1)
			expect("behind whose place something may slide in", "alice", fresh, "", 1, 0)
			expect("by an item's id", "alice", "old", "new", 1, 0)
		})
	}
}

// What was read too late is no answer, though nothing ended its statements.
func TestReadTooLate(t *testing.T) {
	s := openStore(t, newApp(t, "app.db").path)
	for name, q := range map[string]backend.Query{"a glance": {After: "0", Limit: 5}, "a transaction": {Limit: 5}} {
		read(t, s, "alice", q)
		s.timeout = 1
		if _, err := s.Read(t.Context(), backend.Caller{User: "alice"}, q); backend.FaultOf(err) != backend.TooLate {
			t.Errorf("%s: %v", name, err)
		}
		s.timeout = readTimeout
	}
}

// A poll's statements on an SQLite file run under a context that cannot end: for one that
// can, three goroutines are started for each poll.
func TestSQLiteIsUnwatched(t *testing.T) {
	s := openStore(t, newApp(t, "app.db").path)
	for name, open := range map[string]func(context.Context) (*view, error){"a glance": s.glance, "a transaction": s.begin} {
		v, err := open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v.ctx.Done() != nil {
			t.Errorf("%s is watched", name)
		}
		v.end()
	}
}

// The clock of a view without a transaction is the database's too, and not later than what
// it shows.
func TestPostgresGlanceClock(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	s := openPG(t, a.url)
	var before time.Time
	if err := a.QueryRow(`SELECT clock_timestamp()`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	v, err := s.glance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.end()
	rows, err := v.QueryContext(t.Context(), `SELECT statement_timestamp()`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var taken time.Time
	if !rows.Next() || rows.Scan(&taken) != nil || rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	if v.now.Before(before) || v.now.After(taken) {
		t.Errorf("now is %s, not between %s and %s", v.now, before, taken)
	}
	if _, err := v.QueryContext(t.Context(), `SELECT 1`); !errors.Is(err, errSecond) { //nolint:sqlclosecheck // there are none
		t.Errorf("a second statement: %v", err)
	}
}
