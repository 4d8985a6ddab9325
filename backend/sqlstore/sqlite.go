package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"sluice/backend"
)

// busyTimeout is how long a read waits for a lock of the app's writer, in
// milliseconds. In WAL mode, which readers and writers share, it never comes to that.
const busyTimeout = 1000

// sqliteDialect is for the app's own tables, whose times are text. Columns are
// cast, since the driver turns what is declared as a date into a time.Time and
// so hides how it is written.
var sqliteDialect = dialect{
	user: "n.user_id", created: "n.created_at", id: "n.id",
	createdOut: "CAST(n.created_at AS TEXT)", idOut: "n.id", userOut: "CAST(n.user_id AS TEXT)",
	event: "n.event_id", level: "n.level", title: "n.title", text: "n.text", context: "n.context",
	expires: "CAST(n.expires_at AS TEXT)", seen: "CAST(d.seen_at AS TEXT)", dismissed: "CAST(d.dismissed_at AS TEXT)",
	join:  "LEFT JOIN notification_deliveries d ON d.id = n.id || ':' || n.user_id",
	owned: "length(n.user_id) >= 0",
	odd: `n.created_at IS NULL OR n.created_at NOT GLOB
		'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]'`,
	// What is no date does not expire: better shown too long than hidden.
	live:      "coalesce(datetime(n.expires_at), '9999') > $3",
	unlimited: -1,
	owner:     anyone, itemID: anyone, moment: legacyText, now: legacyText, place: textPlace, names: oneName,
}

var sqliteStatements = sqliteDialect.statements()

// sqliteFile is the engine for an SQLite file.
type sqliteFile struct {
	dsn, path string // path is empty for a database in memory
	now       func() time.Time

	mu   sync.RWMutex // held for reading while db is in use
	db   *preparedDB
	file os.FileInfo // what stood at path before db was opened
}

// Open prepares a store over the app's SQLite database; dsn is its path or a
// file: URL. The file need not exist yet: reads fail with backend.Unavailable
// until it does. A file that is put in its place is noticed at the next read.
func Open(dsn string) (*Store, error) {
	db, err := open(dsn, "ro")
	if err != nil {
		return nil, err
	}
	// The file is local, so its writer's clock is ours.
	return &Store{engine: &sqliteFile{dsn: dsn, path: fileOf(dsn), now: time.Now, db: newPreparedDB(db)}, timeout: readTimeout}, nil
}

func (f *sqliteFile) begin(ctx context.Context) (*view, error) {
	now := f.now()
	db, release, err := f.current()
	if err != nil {
		return nil, err
	}
	ctx = unwatched(ctx)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		release()
		return nil, err
	}
	return &view{preparedTx{tx, db}, ctx, sqliteStatements, now, func() {
		_ = tx.Rollback() // it has only read
		release()
	}}, nil
}

func (f *sqliteFile) glance(ctx context.Context) (*view, error) {
	now := f.now()
	db, release, err := f.current()
	if err != nil {
		return nil, err
	}
	return &view{&single{querier: db}, unwatched(ctx), sqliteStatements, now, release}, nil
}

// unwatched ends no statement before its time. To wait for that, database/sql and the
// driver start a goroutine each, and another one for a transaction, which are a quarter of
// what an empty poll costs; and what a poll reads lies together in an index.
func unwatched(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// current is the open database. It is opened again when another file stands at
// its path, as after a restore: open connections would show the old one for ever.
func (f *sqliteFile) current() (db *preparedDB, release func(), err error) {
	for {
		now, err := f.stat()
		if err != nil {
			return nil, nil, err
		}
		f.mu.RLock()
		if sameFile(f.file, now) {
			return f.db, f.mu.RUnlock, nil
		}
		f.mu.RUnlock()
		if err := f.reopen(); err != nil {
			return nil, nil, err
		}
	}
}

// reopen waits for reads under way. Connections are made later than the look at
// the file, so that none is of an older file than f.file.
func (f *sqliteFile) reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := f.stat()
	if err != nil || sameFile(f.file, now) {
		return err
	}
	db, err := open(f.dsn, "ro")
	if err != nil {
		return err
	}
	f.db.Close()
	f.db, f.file = newPreparedDB(db), now
	return nil
}

// stat is what stands at the path; nil for a database in memory.
func (f *sqliteFile) stat() (os.FileInfo, error) {
	if f.path == "" {
		return nil, nil
	}
	return os.Stat(f.path)
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b)
}

func (f *sqliteFile) failed() {}

func (f *sqliteFile) missingIndexes(ctx context.Context, v *view) ([]string, error) {
	return list(ctx, v, `SELECT column1 FROM (VALUES ($1), ($2)) WHERE column1 NOT IN
		(SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'notifications')`, indexUser, indexRecent)
}

func (f *sqliteFile) tail() backend.Tail { return newSQLiteTail(f) }

func (f *sqliteFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.db.Close()
}

// open turns a path into an SQLite URL, so that a ? or # in it is part of the name.
func open(dsn, mode string) (*sql.DB, error) {
	if !strings.HasPrefix(dsn, "file:") {
		dsn = (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: dsn}).EscapedPath()}).String()
	}
	base, query, _ := strings.Cut(dsn, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("store.dsn: %w", err)
	}
	values.Set("mode", mode)
	values.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout))
	db, err := sql.Open("sqlite", base+"?"+values.Encode())
	if err != nil {
		return nil, fmt.Errorf("store.dsn: %w", err)
	}
	// To open a connection takes longer than a read.
	db.SetMaxIdleConns(MaxConns)
	db.SetConnMaxIdleTime(connIdle)
	return db, nil
}

// fileOf is the path of a database's file, or "" if it has none.
func fileOf(dsn string) string {
	path := dsn
	if rest, ok := strings.CutPrefix(dsn, "file:"); ok {
		rest, _, _ = strings.Cut(rest, "?")
		rest, _, _ = strings.Cut(rest, "#")
		if after, ok := strings.CutPrefix(rest, "//"); ok { // an empty host or localhost
			rest = after[max(0, strings.IndexByte(after, '/')):]
		}
		path, _ = url.PathUnescape(rest)
	}
	if path == ":memory:" {
		return ""
	}
	return path
}
