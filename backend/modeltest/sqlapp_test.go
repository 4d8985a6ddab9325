package modeltest

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"pgregory.net/rapid"

	"sluice/backend"
	"sluice/backend/sqlstore"
)

// sqlApp is an app over a real database, read by the real store and followed by
// the real tail.
type sqlApp struct {
	db    *sql.DB
	store *sqlstore.Store
	is    traits
}

// newSQLApp empties a database and opens it. It closes it with the check, so that
// nothing in it outlives the bubble.
func newSQLApp(t *rapid.T, driver, dsn string, open func(string) (*sqlstore.Store, error), is traits) *sqlApp {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	store, err := open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	a := &sqlApp{db, store, is}
	a.must(a.db.Exec("DELETE FROM notifications"))
	return a
}

func (a *sqlApp) traits() traits { return a.is }

func (a *sqlApp) commit(user string, rows []backend.Notification) {
	tx, err := a.db.Begin()
	a.must(nil, err)
	for _, n := range rows {
		expires := sql.NullString{String: n.ExpiresAt.UTC().Format(backend.LegacyTime), Valid: !n.ExpiresAt.IsZero()}
		a.must(tx.Exec("DELETE FROM notifications WHERE id = $1", n.ID))
		a.must(tx.Exec("INSERT INTO notifications(id, user_id, title, context, created_at, expires_at) VALUES ($1, $2, $3, '{}', $4, $5)",
			n.ID, user, n.Title, n.Time().Format(backend.LegacyTime), expires))
	}
	a.must(nil, tx.Commit())
}

func (a *sqlApp) remove(_, id string) {
	a.must(a.db.Exec("DELETE FROM notifications WHERE id = $1", id))
}

func (a *sqlApp) source() backend.Source { return a.store }
func (a *sqlApp) tail() backend.Tail     { return a.store.Tail() }

// must: to rapid, a panic is a failure.
func (*sqlApp) must(_ sql.Result, err error) {
	if err != nil {
		panic(err)
	}
}

// newSQLite makes an app's database in a file.
func newSQLite(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "app.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// What is not yet there is created; nobody pulls the plug on a test.
	if _, err := db.Exec("PRAGMA journal_mode = WAL"); err != nil {
		t.Fatal(err)
	}
	if err := sqlstore.Migrate(t.Context(), path, sqlstore.Up); err != nil {
		t.Fatal(err)
	}
	return path
}

var sqliteTraits = traits{lookBack: sqlstore.LookBack, capacity: 300}

// TestModelSQLite is the model over the real store and tail of SQLite.
func TestModelSQLite(t *testing.T) {
	atMost(t, "6")
	path := newSQLite(t)
	check(t, func(t *rapid.T) app {
		return newSQLApp(t, "sqlite", path+"?_pragma=synchronous(off)", func(string) (*sqlstore.Store, error) { return sqlstore.Open(path) }, sqliteTraits)
	})
}

var postgresTraits = traits{lookBack: sqlstore.LookBack, capacity: 300, lateTail: 24 * time.Second}
