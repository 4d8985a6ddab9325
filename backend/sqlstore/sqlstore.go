// Package sqlstore reads notifications out of the app's own SQLite database.
// It only ever reads (mode=ro), each poll in one read transaction, so that a
// page and the checksum in its cursor show the same state. Migrate adds two
// indexes and nothing else.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"sluice/backend"
)

// LookBack is how late a row may become visible after its created_at without
// being lost.
const LookBack = time.Hour

// busyTimeout is how long a read waits for a lock of the app's writer, in
// milliseconds. In WAL mode, which readers and writers share, it never comes to that.
const busyTimeout = 1000

// Store is a backend.Source over an SQLite database.
type Store struct {
	db  *sql.DB
	now func() time.Time
}

// Open prepares a store over the app's database; dsn is its path or a file: URL.
// The file need not exist yet: reads fail with backend.Unavailable until it does.
func Open(dsn string) (*Store, error) {
	db, err := open(dsn, "ro")
	if err != nil {
		return nil, err
	}
	return &Store{db: db, now: time.Now}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Ping reports whether the app's tables can be read.
func (s *Store) Ping(ctx context.Context) error {
	for _, table := range []string{"notifications", "notification_deliveries"} {
		var one int
		err := s.db.QueryRowContext(ctx, "SELECT 1 FROM "+table+" LIMIT 1").Scan(&one)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("store: table %s: %w", table, err)
		}
	}
	return nil
}

// Read implements backend.Source.
func (s *Store) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return backend.Page{}, failed(ctx, err)
	}
	defer func() { _ = tx.Rollback() }()
	page, err := backend.Read(&snapshot{ctx, tx, c.User, s.now()}, c.User, LookBack, q)
	if err != nil {
		return backend.Page{}, failed(ctx, err)
	}
	return page, nil
}

func failed(ctx context.Context, err error) error {
	var e *backend.Error
	if errors.As(err, &e) {
		return err
	}
	return backend.Failed(ctx, backend.Unavailable, "the notification store is unavailable", err)
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
	return db, nil
}
