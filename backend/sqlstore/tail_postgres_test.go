package sqlstore

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/backend/sourcetest"
	"sluice/internal/servertest"
)

// add inserts a row that is created so long before the database's now.
func (a *pgApp) add(t testing.TB, id, user string, ago time.Duration) {
	t.Helper()
	created := "now() - $3 * interval '1 second'"
	switch {
	case a.layout.schema == "":
		created = "to_char((" + created + ") AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
	case !a.layout.uuids:
		created = "(" + created + ") AT TIME ZONE 'UTC'"
	}
	must(t, a.DB, `INSERT INTO notifications(id, user_id, created_at) VALUES ($1, $2, `+created+`)`, a.id(id), a.id(user), ago.Seconds())
}

func TestPostgresTail(t *testing.T) {
	for name, l := range layouts {
		t.Run(name, func(t *testing.T) {
			a := newPGApp(t, l)
			a.add(t, "there", "zoe", 0)
			tail := follow(t, openPG(t, a.url))
			step := func(id, user string, ago time.Duration, want string) {
				t.Helper()
				a.add(t, id, user, ago)
				if l.uuids && want != "" {
					want = strings.Join(bothCases(a.id(want)), " ")
				}
				wantLook(t, tail, fmt.Sprintf("a row of %s created %s ago", user, ago), want)
				wantLook(t, tail, "nothing more", "")
			}
			step("a", "kim", 0, "kim")
			step("b", "kim", 20*time.Second, "kim")
			step("future", "lou", -time.Hour, "lou")
			step("old", "mia", time.Minute, "") // beyond the window
			// A row that is written again in place is new when its created_at is.
			a.Insert(t, sourcetest.Row{ID: "old", User: "mia", CreatedAt: time.Now()})
			wantLook(t, tail, "a row written again", strings.Join(tail.(*postgresTail).server.statements.Load().names(a.id("mia")), " "))
			must(t, a.DB, `DELETE FROM notifications`)
			wantLook(t, tail, "a deletion", "")
			step("a", "kim", 0, "kim")
		})
	}
}

// Transactions become visible in the order in which they commit, not in which
// they were written.
func TestPostgresTailOutOfOrder(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	tail := follow(t, openPG(t, a.url))
	early, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer early.Rollback()
	if _, err := early.Exec(`INSERT INTO notifications(id, user_id) VALUES (gen_random_uuid(), $1)`, a.id("1")); err != nil {
		t.Fatal(err)
	}
	must(t, a.DB, `INSERT INTO notifications(id, user_id) VALUES (gen_random_uuid(), $1)`, a.id("2"))
	wantLook(t, tail, "the later one", a.id("2"))
	if err := early.Commit(); err != nil {
		t.Fatal(err)
	}
	wantLook(t, tail, "the earlier one", a.id("1"))
}

// Rows may have passed through the window unseen, or the clock has been set back.
func TestPostgresTailGap(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	tail := follow(t, openPG(t, a.url)).(*postgresTail)
	for _, gap := range []time.Duration{maxGap + time.Millisecond, -time.Minute} {
		tail.last = tail.last.Add(-gap)
		wantLook(t, tail, "a gap of "+gap.String(), "unknown")
		wantLook(t, tail, "nothing", "")
	}
}

// A look that fails forgets nothing: the next one names what it would have.
func TestPostgresTailFails(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	tail := follow(t, openPG(t, a.url))
	a.add(t, "a", "1", 0)
	must(t, a.DB, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice'`)
	if c, err := tail.Look(t.Context()); err == nil {
		t.Errorf("a look over a closed connection: %v", c)
	}
	wantLook(t, tail, "a failed look", a.id("1"))
}

// A look that hangs ends, and the tail goes on when the server does.
func TestPostgresTailOfAServerThatHangs(t *testing.T) {
	server := servertest.StartPostgres(t)
	url := server.NewDatabase(t)
	if err := MigratePostgres(t.Context(), url, Up); err != nil {
		t.Fatal(err)
	}
	tail := follow(t, openPG(t, url))
	server.Freeze()
	if c, err := tail.Look(t.Context()); err == nil {
		t.Errorf("a look at a frozen server: %v", c)
	}
	server.Thaw()
	servertest.Eventually(t, "looks succeed again", func() bool { _, err := tail.Look(t.Context()); return err == nil })
	server.Kill()
}

func TestPostgresTailNeedsTheIndex(t *testing.T) {
	a := newPGApp(t, layouts["legacy text"])
	a.migrate(t, Down)
	tail := openPG(t, a.url).Tail()
	defer tail.Close()
	if _, err := tail.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "sluice migrate") {
		t.Errorf("without the index: %v", err)
	}
	a.migrate(t, Up)
	if c := look(t, tail); !c.Unknown {
		t.Errorf("the first look that succeeds: %v", c)
	}
}

// Of transactions that commit out of order, none is lost.
func TestPostgresTailLosesNothing(t *testing.T) {
	for _, name := range []string{"legacy text", "native types"} {
		t.Run(name, func(t *testing.T) {
			l := layouts[name]
			if l.uuids {
				l.schema = strings.Replace(l.schema, "user_id uuid NOT NULL", "user_id text", 1)
			}
			a := newPGApp(t, l)
			tail := follow(t, openPG(t, a.url))
			var book ledger
			var order sync.Mutex // commits are numbered as they become visible
			var writers sync.WaitGroup
			for range 4 {
				writers.Go(func() { a.writeOutOfOrder(t, &book, &order, 150) })
			}
			written := make(chan struct{})
			go func() { writers.Wait(); close(written) }()
			book.watch(t, tail, written)
		})
	}
}

// writeOutOfOrder keeps some transactions open, and commits any of them.
func (a *pgApp) writeOutOfOrder(t *testing.T, l *ledger, order *sync.Mutex, n int) {
	var open []*sql.Tx
	for i := 0; i < n || len(open) > 0; {
		if i < n && len(open) < 4 {
			tx, err := a.Begin()
			if err == nil {
				_, err = tx.Exec(`SAVEPOINT s`) // rows of subtransactions as well
			}
			if err == nil {
				_, err = tx.Exec(`INSERT INTO notifications(id, user_id) VALUES (gen_random_uuid(), 'written early')`)
			}
			if err != nil {
				t.Error(err)
				return
			}
			open = append(open, tx)
			i++
			continue
		}
		pick := rand.IntN(len(open))
		if err := commitNumbered(open[pick], l, order); err != nil {
			t.Error(err)
			return
		}
		open = append(open[:pick], open[pick+1:]...)
	}
}

// commitNumbered gives a transaction's row the number under which it becomes
// visible; its created_at stays that of the transaction's beginning.
func commitNumbered(tx *sql.Tx, l *ledger, order *sync.Mutex) error {
	order.Lock()
	defer order.Unlock()
	number := l.committed.Load() + 1
	l.begun.Store(number)
	if _, err := tx.Exec(`UPDATE notifications SET user_id = $1 WHERE user_id = 'written early'`, userOf(number)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	l.committed.Store(number)
	return nil
}
