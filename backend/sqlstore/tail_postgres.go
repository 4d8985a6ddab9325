package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sluice/backend"
)

// maxGap is how far apart two looks may be, by the database's clock. A row that
// becomes visible between them is in the window of the second if that is at most
// window − maxGap after its created_at: 24 s.
const maxGap = 6 * time.Second

// postgresTail names the users of rows created within the window by the
// database's clock that the look before did not see. A commit therefore shows up
// in the order in which it becomes visible, whatever its place in time; only a
// row that becomes visible later than 24 s after its created_at is missed, and
// an old row that is changed without a new created_at. Vouches bounds both.
type postgresTail struct {
	server *postgresServer
	db     *sql.DB
	conn   *sql.Conn // nil: not connected
	window *sightings
	last   time.Time // the start of the last look that succeeded; zero: none
}

func newPostgresTail(p *postgresServer) *postgresTail {
	db := stdlib.OpenDB(*p.config)
	db.SetMaxOpenConns(1)
	return &postgresTail{server: p, db: db, window: newSightings()}
}

// Period implements backend.Tail.
func (t *postgresTail) Period() time.Duration { return 500 * time.Millisecond }

// Vouches implements backend.Tail.
func (t *postgresTail) Vouches() time.Duration { return time.Minute }

// Close implements backend.Tail.
func (t *postgresTail) Close() error {
	t.drop()
	return t.db.Close()
}

// Look implements backend.Tail.
func (t *postgresTail) Look(ctx context.Context) (backend.Changes, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c, err := t.look(ctx)
	if err != nil {
		t.window.abandon()
		t.drop()
		t.server.failed()
		return backend.Changes{}, fmt.Errorf("tail: %w", err)
	}
	return c, nil
}

func (t *postgresTail) look(ctx context.Context) (backend.Changes, error) {
	if err := t.connect(ctx); err != nil {
		return backend.Changes{}, err
	}
	s, err := t.server.find(ctx, t.conn)
	if err != nil {
		return backend.Changes{}, err
	}
	// Read before the rows are: what commits between the two is in this look.
	var now time.Time
	if err := t.conn.QueryRowContext(ctx, "SELECT now()").Scan(&now); err != nil {
		return backend.Changes{}, err
	}
	users, whole, err := t.rows(ctx, s, now.Add(-window))
	if err != nil {
		return backend.Changes{}, err
	}
	t.window.commit()
	gap := now.Sub(t.last) // huge after the zero time
	t.last = now
	if !whole || gap < 0 || gap > maxGap {
		return backend.Changes{Unknown: true}, nil
	}
	return changes(users, s.names), nil
}

// rows looks at the window, and names the users of rows that are new in it. It
// reads what the server sends in place: there may be 100,000 rows a second.
func (t *postgresTail) rows(ctx context.Context, s *statements, from time.Time) (users map[string]struct{}, whole bool, err error) {
	users, n := map[string]struct{}{}, 0
	err = t.conn.Raw(func(driver any) error {
		conn := driver.(*stdlib.Conn).Conn()
		rows, err := conn.Query(ctx, s.recent, pgx.QueryResultFormats{pgx.TextFormatCode}, s.moment(from.UnixMicro()), maxWindow)
		if err != nil {
			return err
		}
		defer rows.Close()
		for ; rows.Next(); n++ {
			row := rows.RawValues()
			if user := row[2]; t.window.add(row[0], row[1], user) && user != nil {
				users[string(user)] = struct{}{}
			}
		}
		return rows.Err()
	})
	return users, n < maxWindow, err
}

// connect makes the tail's own connection.
func (t *postgresTail) connect(ctx context.Context) error {
	if t.conn != nil {
		return nil
	}
	conn, err := t.db.Conn(ctx)
	if err != nil {
		return err
	}
	missing, err := missingIndexes(ctx, conn)
	for _, name := range missing {
		if name == indexRecent {
			err = errors.New("the index " + indexRecent + " is missing, and without it each look would read the whole table; sluice migrate adds it")
		}
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	t.conn = conn
	return nil
}

func (t *postgresTail) drop() {
	if t.conn != nil {
		_ = t.conn.Close()
		t.conn = nil
	}
}
