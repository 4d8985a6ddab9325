package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"os"
	"time"

	"sluice/backend"
)

// sqliteTail names the users of rows that were added since the look before.
//
// PRAGMA data_version changes with every commit of another connection, and a
// connection that reads it within a transaction gets the value of exactly the
// state that the transaction sees: as long as it is the same, nothing has been
// committed. When it is another, rows above the highest rowid of the look before
// are new, provided that the row there is still the same: the highest rowids
// are given out again after a delete, and all may change with VACUUM.
//
// What a commit changes in place shows in no rowid. If it brings no new row at
// all, the look is Unknown. Together with new rows, it is found by its
// created_at, if that lies within the window: at once if it is of now, else within
// wholeEvery. An old row that is changed without a new created_at at the same time
// as another is added is hidden for as long as the tail vouches.
type sqliteTail struct {
	source *sqliteFile
	db     *sql.DB
	conn   *sql.Conn   // nil: not connected
	file   os.FileInfo // what stood at the path before conn was opened

	known   bool // version is of the look before, over this connection
	version int64
	rows    bool // top and window are as well
	top     top
	seed    maphash.Seed

	window   moments
	compared time.Time // when all of it last was
	left     bool      // since then only the newest were
}

// top is the row with the highest rowid.
type top struct {
	rowid       int64
	id, created string
	empty       bool // there is none
}

func newSQLiteTail(f *sqliteFile) *sqliteTail {
	return &sqliteTail{source: f, seed: maphash.MakeSeed()}
}

// Period implements backend.Tail.
func (t *sqliteTail) Period() time.Duration { return 250 * time.Millisecond }

// Vouches implements backend.Tail.
func (t *sqliteTail) Vouches() time.Duration { return 10 * time.Minute }

// Close implements backend.Tail.
func (t *sqliteTail) Close() error {
	t.drop()
	return nil
}

// Look implements backend.Tail.
func (t *sqliteTail) Look(ctx context.Context) (backend.Changes, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c, err := t.look(ctx)
	if err != nil {
		t.drop()
		return backend.Changes{}, fmt.Errorf("tail: %w", err)
	}
	return c, nil
}

func (t *sqliteTail) look(ctx context.Context) (backend.Changes, error) {
	if err := t.connect(ctx); err != nil {
		return backend.Changes{}, err
	}
	tx, err := t.conn.BeginTx(ctx, nil)
	if err != nil {
		return backend.Changes{}, err
	}
	defer func() { _ = tx.Rollback() }()
	// The first statement takes the state that the others see.
	var version int64
	if err := tx.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return backend.Changes{}, err
	}
	committed := !t.known || version != t.version
	if !committed && !t.due() {
		return backend.Changes{}, nil
	}
	c, err := t.changed(ctx, tx, committed)
	if !t.known {
		c = backend.Changes{Unknown: true}
	}
	t.version, t.known = version, err == nil
	return c, err
}

// changed looks at what was committed, if anything was, and at what looks before have
// left. Whatever it cannot tell is Unknown.
func (t *sqliteTail) changed(ctx context.Context, tx *sql.Tx, committed bool) (backend.Changes, error) {
	unknown := backend.Changes{Unknown: true}
	known := t.rows
	t.rows, t.left = false, false
	if ok, err := followable(ctx, tx); !ok || err != nil {
		return unknown, err
	}
	users := map[string]struct{}{}
	added, err := !committed, error(nil)
	if known && committed {
		if added, err = t.added(ctx, tx, users); err != nil {
			return unknown, err
		}
	}
	whole, err := t.recent(ctx, tx, users)
	if err != nil {
		return unknown, err
	}
	if t.top, err = highest(ctx, tx); err != nil {
		return unknown, err
	}
	t.rows = true
	if !added || !whole {
		return unknown, nil
	}
	return changes(users, oneName), nil
}

// followable tells whether the table has rowids, and an index without which each
// look would read all of it.
func followable(ctx context.Context, tx *sql.Tx) (ok bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = 'notifications' AND type = 'table' AND wr = 0)
		AND EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = $1)`, indexRecent).Scan(&ok)
	return ok, err
}

// selectAdded names users of rows above a rowid. Without NOT INDEXED, an index
// that has user_id might be read from end to end.
const selectAdded = `SELECT DISTINCT CAST(user_id AS TEXT) FROM notifications NOT INDEXED WHERE _rowid_ > $1 LIMIT $2`

// added names the users of rows above the highest rowid of the look before. It
// reports false if there are none, or if rowids no longer mean what they did.
func (t *sqliteTail) added(ctx context.Context, tx *sql.Tx, users map[string]struct{}) (bool, error) {
	if !t.top.empty {
		var now top
		err := tx.QueryRowContext(ctx, selectTop+` WHERE _rowid_ = $1`, t.top.rowid).Scan(&now.rowid, &now.id, &now.created)
		if err != nil || now != t.top {
			return false, ignoreNoRows(err)
		}
	}
	rows, err := tx.QueryContext(ctx, selectAdded, t.top.rowid, maxUsers+2) // one of them may be nobody
	if err != nil {
		return false, err
	}
	defer rows.Close()
	added := false
	for rows.Next() {
		var user sql.NullString
		if err := rows.Scan(&user); err != nil {
			return false, err
		}
		added = true
		if user.Valid {
			users[user.String] = struct{}{}
		}
	}
	return added, rows.Err()
}

const selectTop = `SELECT _rowid_, coalesce(CAST(id AS TEXT), ''), coalesce(CAST(created_at AS TEXT), '') FROM notifications`

func highest(ctx context.Context, tx *sql.Tx) (top, error) {
	var t top
	err := tx.QueryRowContext(ctx, selectTop+` ORDER BY _rowid_ DESC LIMIT 1`).Scan(&t.rowid, &t.id, &t.created)
	if errors.Is(err, sql.ErrNoRows) {
		return top{rowid: math.MinInt64, empty: true}, nil
	}
	return t, err
}

func ignoreNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// connect makes the tail's own connection, again when another file stands at the
// path. Nothing is known over a new one: versions of two connections cannot be
// compared.
func (t *sqliteTail) connect(ctx context.Context) error {
	file, err := t.source.stat()
	if err != nil {
		return err
	}
	if t.conn != nil && sameFile(t.file, file) {
		return nil
	}
	t.drop()
	if t.db, err = open(t.source.dsn, "ro"); err != nil {
		return err
	}
	if t.conn, err = t.db.Conn(ctx); err != nil {
		return err
	}
	t.file = file
	return nil
}

func (t *sqliteTail) drop() {
	t.known, t.rows, t.window = false, false, nil // the next file may have other rows
	if t.conn != nil {
		_ = t.conn.Close()
	}
	if t.db != nil {
		t.db.Close()
	}
	t.conn, t.db = nil, nil
}
