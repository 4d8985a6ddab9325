// Package sqlstore reads notifications out of the app's own database, SQLite or
// PostgreSQL. It only ever reads, each poll in one statement or in one read transaction,
// so that a page and the checksum in its cursor show the same state. Migrate adds two
// indexes; a Tail follows what the app writes.
//
// What the databases say differently is in the dialect; the statements and the
// code that reads their rows are shared.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sluice/backend"
)

// LookBack is how late a row may become visible after its created_at without
// being lost.
const LookBack = time.Hour

// readTimeout ends a read of a database that hangs.
const readTimeout = 10 * time.Second

// Store is a backend.Source over the app's database.
type Store struct {
	engine
	timeout time.Duration // of one read
}

// engine is one kind of database.
type engine interface {
	// begin opens a read-only transaction.
	begin(ctx context.Context) (*view, error)
	// glance is a view for one statement, without a transaction.
	glance(ctx context.Context) (*view, error)
	missingIndexes(ctx context.Context, v *view) ([]string, error)
	// failed tells that a read has failed: what was found out about the database
	// may no longer hold.
	failed()
	tail() backend.Tail
	Close() error
}

// view is one consistent state of the database.
type view struct {
	querier
	ctx context.Context // of the statements of a poll
	sql *statements
	// now is the clock of whoever dates the rows, at a moment before this state
	// was taken: a row that is not in it became visible later than now.
	now time.Time
	end func()
}

// Read implements backend.Source.
func (s *Store) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	page, err := s.read(ctx, c.User, q)
	if err == nil {
		err = ctx.Err() // not every statement is ended by it, but late is late
	}
	if err != nil {
		s.failed()
		return backend.Page{}, blame(ctx, err)
	}
	return page, nil
}

func (s *Store) read(ctx context.Context, user string, q backend.Query) (backend.Page, error) {
	// Mostly nothing has come, and one statement tells: it sees one state by itself, and
	// a transaction around it costs more than it does.
	if c, ok := backend.Open(q.After, user); ok && c.Still() {
		if page, err := s.answer(ctx, s.glance, user, q); !errors.Is(err, errSecond) {
			return page, err
		}
	}
	return s.answer(ctx, s.begin, user, q)
}

func (s *Store) answer(ctx context.Context, open func(context.Context) (*view, error), user string, q backend.Query) (backend.Page, error) {
	v, err := open(ctx)
	if err != nil {
		return backend.Page{}, err
	}
	defer v.end()
	owner, possible := v.sql.owner(user)
	if !possible {
		return backend.Read(backend.NewList(nil, false, v.now), user, LookBack, q)
	}
	return backend.Read(&snapshot{view: v, owner: owner}, user, LookBack, q)
}

// Tail follows the app's data. Each has a connection of its own; it connects at
// its first Look.
func (s *Store) Tail() backend.Tail { return s.tail() }

// Ping reports whether the app's tables can be read.
func (s *Store) Ping(ctx context.Context) error {
	v, err := s.begin(ctx)
	if err != nil {
		s.failed()
		return fmt.Errorf("store: %w", err)
	}
	defer v.end()
	for _, table := range []string{notifications, deliveries} {
		var one int
		err := v.QueryRowContext(ctx, "SELECT 1 FROM "+table+" LIMIT 1").Scan(&one)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("store: table %s: %w", table, err)
		}
	}
	return nil
}

func blame(ctx context.Context, err error) error {
	var e *backend.Error
	if errors.As(err, &e) {
		return err
	}
	return backend.Failed(ctx, backend.Unavailable, "the notification store is unavailable", err)
}
