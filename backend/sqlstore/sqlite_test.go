package sqlstore

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/backend"
	"sluice/backend/sourcetest"
)

// schema is the app's.
const schema = `PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
CREATE TABLE notifications(id TEXT PRIMARY KEY, user_id TEXT, event_id TEXT, level TEXT, title TEXT, text TEXT, context TEXT,
	created_at TEXT DEFAULT (datetime('now')), expires_at TEXT);
CREATE TABLE notification_deliveries(id TEXT PRIMARY KEY, user_id TEXT, notification_id TEXT, delivered_at TEXT, seen_at TEXT, dismissed_at TEXT);`

type app struct {
	*sql.DB
	path string
}

func newApp(t testing.TB, name string) app {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	db, err := open(path, "rwc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	a := app{db, path}
	a.must(t, schema)
	return a
}

func (a app) must(t testing.TB, query string, args ...any) {
	t.Helper()
	must(t, a.DB, query, args...)
}

func (a app) Insert(t *testing.T, rows ...sourcetest.Row) {
	t.Helper()
	tx, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, r := range rows {
		if _, err := tx.Exec(`INSERT OR REPLACE INTO notifications VALUES (?,?,NULL,'info','T','x',?,?,?)`,
			r.ID, r.User, null(r.Context), r.CreatedAt.UTC().Format(backend.LegacyTime), null(r.ExpiresAt)); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT OR REPLACE INTO notification_deliveries VALUES (?,?,?,NULL,?,NULL)`,
			r.ID+":"+r.User, r.User, r.ID, null(r.SeenAt)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func (a app) Delete(t *testing.T, id string) {
	t.Helper()
	a.must(t, `DELETE FROM notifications WHERE id = ?`, id)
}

func openStore(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(dsn)
	return closed(t, s, err)
}

func TestSource(t *testing.T) {
	open := func(t *testing.T) (backend.Source, sourcetest.App) {
		a := newApp(t, "app.db")
		if err := Migrate(t.Context(), a.path, Up); err != nil {
			t.Fatal(err)
		}
		return openStore(t, a.path), a
	}
	sourcetest.Run(t, open)
	sourcetest.RunDeep(t, open)
}

func TestDSN(t *testing.T) {
	a := newApp(t, "odd ?#name%.db")
	a.Insert(t, sourcetest.Row{ID: "a", User: "alice", CreatedAt: time.Now()})
	for _, dsn := range []string{a.path, "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(a.path)} {
		p, err := openStore(t, dsn).Read(t.Context(), backend.Caller{User: "alice"}, backend.Query{Limit: 1})
		if err != nil || len(p.Items) != 1 {
			t.Errorf("%s: %v, %v", dsn, p.Items, err)
		}
	}
}

func TestReadsOnly(t *testing.T) {
	a := newApp(t, "app.db")
	db, release, err := openStore(t, a.path).engine.(*sqliteFile).current()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := db.Exec(`DELETE FROM notifications`); err == nil {
		t.Error("the app's database can be written to")
	}
}

func TestDoesNotHoldUpTheWriter(t *testing.T) {
	a := newApp(t, "app.db")
	v, err := openStore(t, a.path).begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.end()
	var n int
	if err := v.QueryRowContext(t.Context(), `SELECT count(*) FROM notifications`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	a.must(t, `PRAGMA busy_timeout = 0`)
	a.Insert(t, sourcetest.Row{ID: "a", User: "alice", CreatedAt: time.Now()})
}

func TestUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later.db")
	s := openStore(t, path)
	if _, err := s.Read(t.Context(), backend.Caller{User: "alice"}, backend.Query{Limit: 1}); backend.FaultOf(err) != backend.Unavailable {
		t.Errorf("missing file: %v", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a missing file is no reason to be not ready")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a missing database was created")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := newApp(t, "app.db")
	if _, err := openStore(t, a.path).Read(ctx, backend.Caller{User: "alice"}, backend.Query{Limit: 1}); backend.FaultOf(err) != backend.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPing(t *testing.T) {
	a := newApp(t, "app.db")
	if err := openStore(t, a.path).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	a.must(t, `DROP TABLE notification_deliveries`)
	if err := openStore(t, a.path).Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "notification_deliveries") {
		t.Errorf("missing table: %v", err)
	}
}

func TestRefusesDatesItCannotOrder(t *testing.T) {
	for _, created := range []string{"2026-11-24T08:00:00Z", "2026-11-24 08:00:00.5", "yesterday", ""} {
		a := newApp(t, "app.db")
		a.must(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('a', 'alice', ?)`, created)
		_, err := openStore(t, a.path).Read(t.Context(), backend.Caller{User: "alice"}, backend.Query{Limit: 1})
		if err == nil || !strings.Contains(err.Error(), "created_at") {
			t.Errorf("%q: %v", created, err)
		}
	}
}

func TestMigrateAddsTwoIndexesAndNothingElse(t *testing.T) {
	a := newApp(t, "app.db")
	objects := func() (n int, indexes string) {
		if err := a.QueryRow(`SELECT count(*), group_concat(CASE WHEN name LIKE 'sluice%' THEN name END) FROM
			(SELECT name FROM sqlite_master ORDER BY name)`).Scan(&n, &indexes); err != nil {
			indexes = ""
		}
		return n, indexes
	}
	before, _ := objects()
	for range 2 {
		if err := Migrate(t.Context(), a.path, Up); err != nil {
			t.Fatal(err)
		}
		if n, indexes := objects(); n != before+2 || indexes != "sluice_notifications_recent,sluice_notifications_user" {
			t.Errorf("%d new objects, ours: %s", n-before, indexes)
		}
	}
	if err := Migrate(t.Context(), filepath.Join(t.TempDir(), "none.db"), Up); err == nil {
		t.Error("a database that does not exist was migrated")
	}
}

// A database restored by rename is another file; connections to the old one
// would go on showing it.
func TestReplacedFile(t *testing.T) {
	a, b := newApp(t, "app.db"), newApp(t, "backup.db")
	a.Insert(t, sourcetest.Row{ID: "old", User: "alice", CreatedAt: time.Now()})
	b.Insert(t, sourcetest.Row{ID: "restored", User: "alice", CreatedAt: time.Now()})
	for _, db := range []app{a, b} {
		db.must(t, `PRAGMA wal_checkpoint(TRUNCATE)`)
	}
	s := openStore(t, a.path)
	if got := ids(read(t, s, "alice", pollOf(9)).Items); got != "old" {
		t.Fatal(got)
	}
	under, err := s.begin(t.Context()) // a read under way holds nobody up for longer than it takes
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.path, a.path); err != nil {
		t.Fatal(err)
	}
	answer := make(chan string)
	go func() { answer <- ids(read(t, s, "alice", pollOf(9)).Items) }()
	under.end()
	if got := <-answer; got != "restored" {
		t.Errorf("after a restore: %s", got)
	}
	if err := os.Remove(a.path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), backend.Caller{User: "alice"}, pollOf(9)); backend.FaultOf(err) != backend.Unavailable || err == nil {
		t.Errorf("a removed file is still read: %v", err)
	}
}

func TestFileOf(t *testing.T) {
	for dsn, want := range map[string]string{
		"app.db": "app.db", "/var/a b?#.db": "/var/a b?#.db", "file:app.db": "app.db", "file:/var/app.db?mode=rw": "/var/app.db",
		"file:///var/a%20b.db": "/var/a b.db", "file://localhost/var/app.db": "/var/app.db", ":memory:": "", "file::memory:?cache=shared": "",
	} {
		if got := fileOf(dsn); got != want {
			t.Errorf("%s is the file %q, want %q", dsn, got, want)
		}
	}
}

func TestSQLiteMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	db, err := open(path, "rwc")
	a := app{closed(t, db, err), path}
	a.must(t, `PRAGMA user_version = 1`) // an empty database
	objects := func() (names string) {
		if err := a.QueryRow(`SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name)`).Scan(&names); err != nil {
			t.Fatal(err)
		}
		return names
	}
	const tables = "notification_deliveries notifications"
	for i, c := range []struct {
		direction Direction
		want      string
	}{{Up, tables + " " + indexRecent + " " + indexUser}, {Down, tables}, {Down, tables}} {
		a.migrate(t, c.direction)
		if got := objects(); got != c.want {
			t.Errorf("step %d leaves %s, want %s", i, got, c.want)
		}
	}
	a.must(t, `INSERT INTO notifications(id, user_id) VALUES ('a', 'alice')`)
	if got := ids(read(t, openStore(t, path), "alice", pollOf(5)).Items); got != "a" {
		t.Errorf("items: %s", got)
	}
}

// A poll must not sort or scan: its cost must not grow with the table. Neither
// must a look of the tail.
func TestSQLitePlans(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	a.must(t, `WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 5000)
		INSERT INTO notifications(id, user_id, created_at) SELECT 'n' || i, 'u' || CASE WHEN i % 10 = 0 THEN 0 ELSE i % 500 END,
			datetime('now', (i - 5000) * 60 || ' seconds') FROM g`)
	s := sqliteStatements
	for range 2 {
		for name, c := range map[string]struct{ query, index string }{
			"keys": {s.keys, indexUser}, "span": {s.span, indexUser}, "after": {s.after, indexUser}, "before": {s.before, indexUser},
			"newest": {s.newest, indexUser}, "added": {selectAdded, "INTEGER PRIMARY KEY (rowid>?)"},
			"window": {selectWindowSize, "COVERING INDEX " + indexRecent}, "moments": {selectMoments, "COVERING INDEX " + indexRecent}, "moment": {selectMoment, "COVERING INDEX " + indexRecent},
		} {
			plan := a.plan(t, c.query)
			bad := strings.NewReplacer("USE TEMP B-TREE FOR DISTINCT", "", "SCAN (subquery", "").Replace(plan) // of few rows
			if !strings.Contains(plan, c.index) || strings.Contains(bad, "TEMP B-TREE") || strings.Contains(bad, "SCAN") {
				t.Errorf("%s:\n%s", name, plan)
			}
		}
		a.must(t, `ANALYZE`) // and again with statistics
	}
}

func (a app) plan(t *testing.T, query string) (plan string) {
	t.Helper()
	rows, err := a.Query(`EXPLAIN QUERY PLAN `+query, "u0", 50, "2026", "2026", "x", "y")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "\n"
	}
	return plan
}
