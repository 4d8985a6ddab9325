package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
// created_at, if that lies within the window: at once, or, where the window is so
// full that reading it at each look would cost too much, some seconds later. An old
// row that is changed without a new created_at at the same time as another is added
// is hidden for as long as the tail vouches.
type sqliteTail struct {
	source *sqliteFile
	db     *sql.DB
	conn   *sql.Conn   // nil: not connected
	file   os.FileInfo // what stood at the path before conn was opened

	known   bool // version is of the look before, over this connection
	version int64
	rows    bool // top and window are as well
	top     top
	window  *sightings
	unread  bool      // the window may have changed since it was read
	due     time.Time // when it may be read again
	share   float64   // of the tail's time, that reading it may take
}

const (
	// windowShare is the usual share: up to about 3,000 rows, the window is read at each
	// look; 30,000 of them, of 1,000 new rows a second, take about 40 ms every two seconds.
	windowShare = 1.0 / 50
	// windowPause is the longest time between two readings, so that what only they show
	// is hidden for no longer than a tail that hangs hides anything.
	windowPause = 4 * time.Second
)

// top is the row with the highest rowid.
type top struct {
	rowid       int64
	id, created string
	empty       bool // there is none
}

func newSQLiteTail(f *sqliteFile) *sqliteTail {
	return &sqliteTail{source: f, window: newSightings(), share: windowShare}
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
	if !committed && !t.windowDue() {
		return backend.Changes{}, nil
	}
	c, err := t.changed(ctx, tx, committed)
	if !t.known {
		c = backend.Changes{Unknown: true}
	}
	t.version, t.known = version, err == nil
	return c, err
}

// changed looks at what was committed since the look before, and at the window when it
// is due. Whatever it cannot tell is Unknown.
func (t *sqliteTail) changed(ctx context.Context, tx *sql.Tx, committed bool) (backend.Changes, error) {
	unknown := backend.Changes{Unknown: true}
	users, told := map[string]struct{}{}, true
	if committed {
		var err error
		if told, err = t.appended(ctx, tx, users); err != nil || !t.rows {
			return unknown, err
		}
		t.unread = true
	}
	if t.windowDue() {
		whole, err := t.recent(ctx, tx, users)
		if err != nil {
			return unknown, err
		}
		told = told && whole
	}
	if !told {
		return unknown, nil
	}
	return changes(users, oneName), nil
}

// appended names the users of new rows, and notes where the next look goes on. It
// reports false if that cannot be all that was committed.
func (t *sqliteTail) appended(ctx context.Context, tx *sql.Tx, users map[string]struct{}) (all bool, err error) {
	known := t.rows
	t.rows = false
	if ok, err := followable(ctx, tx); !ok || err != nil {
		return false, err
	}
	if known {
		if all, err = t.added(ctx, tx, users); err != nil {
			return false, err
		}
	}
	t.top, err = highest(ctx, tx)
	t.rows = err == nil
	return all, err
}

// followable tells whether the table has rowids, and an index without which each
// look would read all of it.
func followable(ctx context.Context, tx *sql.Tx) (ok bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = 'notifications' AND type = 'table' AND wr = 0)
		AND EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = $1)`, indexRecent).Scan(&ok)
	return ok, err
}

// selectAdded is the rows above a rowid. Without NOT INDEXED, an index that has all
// columns might be read from end to end.
var selectAdded = fmt.Sprintf(`SELECT %s, %s, %s FROM notifications n NOT INDEXED WHERE n._rowid_ > $1 LIMIT $2`,
	sqliteDialect.createdOut, sqliteDialect.idOut, sqliteDialect.userOut)

// added names the users of rows above the highest rowid of the look before. It
// reports false if there are none or too many, or if rowids no longer mean what they did.
func (t *sqliteTail) added(ctx context.Context, tx *sql.Tx, users map[string]struct{}) (bool, error) {
	if !t.top.empty {
		var now top
		err := tx.QueryRowContext(ctx, selectTop+` WHERE _rowid_ = $1`, t.top.rowid).Scan(&now.rowid, &now.id, &now.created)
		if err != nil || now != t.top {
			return false, ignoreNoRows(err)
		}
	}
	n, err := each(ctx, tx, func(created, id, user sql.RawBytes) {
		t.window.saw(created, id, user)
		name(users, user)
	}, selectAdded, t.top.rowid, maxWindow)
	return 0 < n && n < maxWindow, err
}

// windowDue tells whether the window is to be read now.
func (t *sqliteTail) windowDue() bool { return t.unread && !time.Now().Before(t.due) }

// recent names the users of rows of the window that no look before has seen, and
// reports whether it saw all of the window.
func (t *sqliteTail) recent(ctx context.Context, tx *sql.Tx, users map[string]struct{}) (whole bool, err error) {
	began, from := time.Now(), t.source.now().Add(-window).UnixMicro()
	n, err := each(ctx, tx, func(created, id, user sql.RawBytes) {
		if t.window.add(created, id, user) {
			name(users, user)
		}
	}, sqliteStatements.recent, sqliteStatements.moment(from), maxWindow)
	if err != nil {
		t.window.abandon()
		return false, err
	}
	t.window.commit()
	took := time.Since(began)
	t.unread, t.due = false, time.Now().Add(min(time.Duration(float64(took)/t.share), windowPause))
	return n < maxWindow, nil
}

// each visits rows, and counts them. What it visits is good until the next one.
func each(ctx context.Context, tx *sql.Tx, visit func(created, id, user sql.RawBytes), query string, args ...any) (n int, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var created, id, user sql.RawBytes
		if err := rows.Scan(&created, &id, &user); err != nil {
			return n, err
		}
		visit(created, id, user)
	}
	return n, rows.Err()
}

// name takes a user in; a row may be nobody's.
func name(users map[string]struct{}, user sql.RawBytes) {
	if user != nil {
		users[string(user)] = struct{}{}
	}
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
	t.known, t.rows, t.due = false, false, time.Time{}
	if t.conn != nil {
		_ = t.conn.Close()
	}
	if t.db != nil {
		t.db.Close()
	}
	t.conn, t.db = nil, nil
}
