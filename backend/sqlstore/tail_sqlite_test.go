package sqlstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// add inserts a row of now.
func (a app) add(t *testing.T, id, user string) {
	t.Helper()
	a.must(t, `INSERT INTO notifications(id, user_id) VALUES (?, ?)`, id, user)
}

func TestSQLiteTail(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	tail := follow(t, openStore(t, a.path))
	step := func(want, query string) {
		t.Helper()
		a.must(t, query)
		wantLook(t, tail, query, want)
	}
	step("alice", `INSERT INTO notifications(id, user_id) VALUES ('a', 'alice')`)
	wantLook(t, tail, "nothing more", "")
	step("alice bob", `INSERT INTO notifications(id, user_id) VALUES ('b', 'bob'), ('c', 'alice'), ('d', 'bob')`)
	step("carol", `INSERT INTO notifications(id, user_id) VALUES ('e', NULL), ('f', 'carol')`)
	step("unknown", `UPDATE notifications SET expires_at = '2099' WHERE id = 'a'`)
	step("unknown", `INSERT INTO notification_deliveries(id) VALUES ('x')`)
	step("unknown", `DELETE FROM notifications WHERE id = 'b'`)
	step("dave", `INSERT INTO notifications(id, user_id, created_at) VALUES ('old', 'dave', '2001-01-01 00:00:00')`)
	wantLook(t, tail, "nothing more", "")
	// The highest row goes, and its rowid is given to another.
	a.must(t, `DELETE FROM notifications WHERE id = 'old'`)
	step("unknown", `INSERT INTO notifications(id, user_id) VALUES ('new', 'erin')`)
	step("erin", `INSERT INTO notifications(id, user_id) VALUES ('newer', 'erin')`)
	a.must(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('old', 'dave', '2001-01-01 00:00:00')`)
	look(t, tail)
	a.must(t, `DELETE FROM notifications WHERE id = 'old'`)
	step("unknown", `INSERT INTO notifications(id, user_id, created_at) VALUES ('x', 'xena', '2001-01-01 00:00:00'), ('y', 'yves', '2001-01-01 00:00:00')`)
	step("erin", `INSERT INTO notifications(id, user_id) VALUES ('newer than that', 'erin')`)
	// The highest row is replaced under its rowid, and another added.
	a.must(t, `UPDATE notifications SET created_at = datetime('now', '-9 seconds') WHERE id = 'newer than that'`)
	look(t, tail)
	a.must(t, `INSERT OR REPLACE INTO notifications(id, user_id) VALUES ('newer than that', 'erin')`)
	step("unknown", `INSERT INTO notifications(id, user_id) VALUES ('newest', 'frank')`)
	// A row is written again in place, and another added.
	a.must(t, `INSERT INTO notifications(id, user_id) VALUES ('a', 'alice') ON CONFLICT (id) DO UPDATE SET created_at = datetime('now', '+1 second')`)
	step("alice frank", `INSERT INTO notifications(id, user_id) VALUES ('another', 'frank')`)
	// A row goes to somebody else, at the moment at which it was.
	a.must(t, `UPDATE notifications SET user_id = 'zoe' WHERE id = 'another'`)
	step("yan zoe", `INSERT INTO notifications(id, user_id, created_at) VALUES ('an old one', 'yan', '2001-01-01 00:00:00')`)
	// What is no text is found by no text, and so nothing is said.
	a.must(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('blob', 'bea', CAST(datetime('now') AS BLOB))`)
	step("unknown", `INSERT INTO notifications(id, user_id) VALUES ('after it', 'bea')`)
	a.must(t, `DELETE FROM notifications WHERE id = 'blob'`)
	look(t, tail)
	// Rowids are given out anew.
	a.must(t, `DELETE FROM notifications WHERE id IN ('a', 'c')`)
	look(t, tail)
	a.must(t, `INSERT INTO notifications(id, user_id) VALUES ('g', 'grace')`)
	a.must(t, `VACUUM`)
	look(t, tail) // named or unknown
	step("unknown", `DELETE FROM notifications`)
	step("heidi", `INSERT INTO notifications(id, user_id) VALUES ('h', 'heidi')`)
}

// What is changed in place further back than a moment ago is found by the next look that
// compares all, which comes also when nothing more is committed.
func TestSQLiteTailOfChangesFurtherBack(t *testing.T) {
	for _, change := range []string{
		`UPDATE notifications SET user_id = 'zoe' WHERE id = 'a'`,
		`UPDATE notifications SET user_id = 'zoe', created_at = '2026-01-02 03:04:40' WHERE id = 'a'`,
		`UPDATE notifications SET user_id = 'zoe', created_at = '2026-01-02 03:04:21' WHERE id = 'a'`, // at 03:04:51, the end of the window
	} {
		for _, quiet := range []bool{true, false} {
			a := newApp(t, "app.db")
			a.migrate(t, Up)
			s := openStore(t, a.path)
			now := time.Date(2026, 1, 2, 3, 4, 50, 0, time.UTC)
			s.engine.(*sqliteFile).now = func() time.Time { return now }
			add := func(id, created string) {
				a.must(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ($1, 'yan', $2)`, id, created)
			}
			add("a", "2026-01-02 03:04:35")
			add("the highest", "2026-01-02 03:04:36")
			tail := follow(t, s)
			now = now.Add(time.Second)
			a.must(t, change)
			add("b", "2026-01-02 03:04:51")
			wantLook(t, tail, change, "yan")
			now = now.Add(wholeEvery - time.Second - time.Millisecond)
			wantLook(t, tail, "not yet", "")
			now = now.Add(time.Millisecond)
			want := "zoe"
			if !quiet {
				add("c", "2026-01-02 03:04:52")
				want = "yan zoe"
			}
			wantLook(t, tail, "all has been compared", want)
			now = now.Add(time.Minute)
			wantLook(t, tail, "nothing more", "")
		}
	}
}

// What was left to compare is left for good once the tail cannot follow.
func TestSQLiteTailThatCannotFollowAnyMore(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	s, now := openStore(t, a.path), time.Now()
	s.engine.(*sqliteFile).now = func() time.Time { return now }
	tail := follow(t, s)
	a.add(t, "a", "alice")
	wantLook(t, tail, "a row", "alice")
	a.must(t, `DROP INDEX `+indexRecent)
	wantLook(t, tail, "the index is gone", "unknown")
	now = now.Add(wholeEvery)
	wantLook(t, tail, "nothing", "")
}

func TestSQLiteTailOfAnEmptyTable(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	tail := follow(t, openStore(t, a.path))
	a.add(t, "a", "alice")
	wantLook(t, tail, "the first row", "alice")
}

func TestSQLiteTailCannotFollow(t *testing.T) {
	for name, query := range map[string]string{
		"no rowids": `DROP TABLE notifications; CREATE TABLE notifications(id TEXT PRIMARY KEY, user_id TEXT, created_at TEXT) WITHOUT ROWID;
			CREATE INDEX ` + indexRecent + ` ON notifications(created_at)`,
		"no index": `DROP INDEX ` + indexRecent,
		"no table": `ALTER TABLE notifications RENAME TO renamed; CREATE VIEW notifications AS SELECT * FROM renamed; CREATE TRIGGER t INSTEAD OF INSERT ON notifications
			BEGIN INSERT INTO renamed(id, user_id) VALUES (new.id, new.user_id); END`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, "app.db")
			a.migrate(t, Up)
			a.must(t, query)
			tail := follow(t, openStore(t, a.path))
			a.add(t, "a", "alice")
			wantLook(t, tail, "a row", "unknown")
			wantLook(t, tail, "nothing", "")
		})
	}
}

// Rows of one created_at are told apart, whatever their names are; for usual ones it does
// not take a look at each.
func TestSQLiteTailTellsRowsApart(t *testing.T) {
	for name, id := range map[string]string{"usual": "'one'", "with a NUL": "'one' || char(0) || 'two'", "a number": "7", "none": "NULL", "empty": "''"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, "app.db")
			a.migrate(t, Up)
			store := openStore(t, a.path)
			tail := follow(t, store)
			a.must(t, `INSERT INTO notifications(id, user_id, created_at) VALUES (`+id+`, 'alice', datetime('now', '+1 hour')), ('b', 'bob', datetime('now', '+1 hour'))`)
			wantLook(t, tail, "two rows", "alice bob")
			a.must(t, `UPDATE notifications SET user_id = 'carol' || char(0) WHERE user_id = 'alice'`)
			a.add(t, "d", "dave")
			wantLook(t, tail, "one is another's now, and a third", "carol\x00 dave")
			a.must(t, `UPDATE notifications SET user_id = 'erin' WHERE id = 'b'`)
			a.add(t, "f", "frank")
			wantLook(t, tail, "another one, beside a name with a NUL", "erin frank")
		})
	}
}

func TestSQLiteTailReadsUsualRowsTogether(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	tail := follow(t, openStore(t, a.path)).(*sqliteTail)
	a.must(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('a', 'alice', datetime('now', '+1 hour')), ('b', 'bob', datetime('now', '+1 hour'))`)
	tx, err := tail.conn.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	users := map[string]struct{}{}
	found, err := tail.moments(t.Context(), tx, legacyText(time.Now().UnixMicro()), users)
	if err != nil || len(found) != 1 || len(users) != 2 {
		t.Errorf("%v %v %v", found, users, err)
	}
	for at, rows := range found {
		one, err := tail.compare(t.Context(), tx, at, map[string]struct{}{})
		if diff := cmp.Diff(one, rows.each); diff != "" || err != nil || len(one) != 2 {
			t.Errorf("together they are others than one by one: %s %v", diff, err)
		}
	}
}

func TestSQLiteTailOfManyUsers(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	tail := follow(t, openStore(t, a.path))
	a.must(t, `WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i <= ?)
		INSERT INTO notifications(id, user_id) SELECT i, 'u' || i FROM g`, maxUsers)
	wantLook(t, tail, "a row for everybody", "unknown")
	a.add(t, "a", "alice")
	wantLook(t, tail, "one more", "alice")
}

func TestSQLiteTailOfAReplacedFile(t *testing.T) {
	a, b := newApp(t, "app.db"), newApp(t, "backup.db")
	for _, db := range []app{a, b} {
		db.migrate(t, Up)
		db.must(t, `PRAGMA wal_checkpoint(TRUNCATE)`)
	}
	tail := follow(t, openStore(t, a.path))
	if err := os.Rename(b.path, a.path); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} { // the app has restored while it was down
		_ = os.Rename(b.path+suffix, a.path+suffix)
	}
	wantLook(t, tail, "a restore", "unknown")
	wantLook(t, tail, "nothing", "")
	b.add(t, "b", "bob")
	wantLook(t, tail, "a row in the restored file", "bob")
	if err := os.Remove(a.path); err != nil {
		t.Fatal(err)
	}
	if _, err := tail.Look(t.Context()); err == nil {
		t.Error("a removed file is followed")
	}
}

// The version and the rows are of one state: no commit falls between them.
func TestSQLiteTailLosesNothing(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		for name, other := range map[string]float64{"inserts": 0, "all kinds of writes": 0.2} {
			t.Run(mode+", "+name, func(t *testing.T) {
				a := newApp(t, "app.db")
				a.must(t, `PRAGMA journal_mode = `+mode)
				a.must(t, `PRAGMA busy_timeout = 30000`)
				a.SetMaxOpenConns(1)
				a.migrate(t, Up)
				tail := follow(t, openStore(t, a.path))
				var l ledger
				written := make(chan struct{})
				go func() {
					defer close(written)
					a.writeMany(t, &l, 500, other)
				}()
				l.watch(t, tail, written)
				if other == 0 && l.unknown > 0 {
					t.Errorf("%d looks of plain inserts are Unknown", l.unknown)
				}
			})
		}
	}
}

// writeMany commits n rows, each of a user of its own; some in ways that make
// rowids mean less. A row that is written stays.
func (a app) writeMany(t *testing.T, l *ledger, n int64, other float64) {
	exec := func(query string, args ...any) {
		if _, err := a.Exec(query, args...); err != nil && !strings.Contains(err.Error(), "locked") {
			t.Error(err)
		}
	}
	const insert = `INSERT INTO notifications(id, user_id) VALUES ($1, $2)`
	for i := int64(1); i <= n && !t.Failed(); i++ {
		l.begun.Store(i)
		query, id := insert, fmt.Sprint(i)
		if rand.Float64() < other {
			switch rand.IntN(5) {
			case 0: // the rowid is given out again
				exec(insert, "gone", "nobody")
				exec(`DELETE FROM notifications WHERE id = 'gone'`)
			case 1: // the row that has the highest rowid is replaced under it
				exec(insert, id, "nobody")
				query = `INSERT OR REPLACE INTO notifications(id, user_id) VALUES ($1, $2)`
			case 2: // a row is written again in place
				exec(insert, id, "nobody")
				exec(insert, id+" and another", "nobody")
				query += ` ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id`
			case 3:
				exec(`DELETE FROM notifications WHERE rowid = (SELECT min(rowid) FROM notifications WHERE user_id = 'nobody')`)
				exec(`VACUUM`)
			default:
				exec(`INSERT INTO notification_deliveries(id) VALUES (hex(randomblob(8)))`)
			}
		}
		exec(query, id, userOf(i))
		l.committed.Store(i)
	}
}
