package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"hash/maphash"
	"maps"
	"time"
)

// A look compares the newest rows of the window: those of so long, which nearly all
// changes are of. The others it compares so often, within what is promised for them
// (docs/guarantees.md): at 1,000 rows a second, to compare all of them each time would
// take a tenth of a core.
const (
	newest     = 2 * time.Second
	wholeEvery = 4 * time.Second
)

// The window of an SQLite file. To read each of its rows costs five times as much as to
// have SQLite put those of a created_at together, which is enough unless a name has a NUL
// in it. Of an app that adds 1,000 rows a second, all but the newest of 30 are as they were.
const (
	selectWindowSize = `SELECT count(*) FROM (SELECT 1 FROM notifications n WHERE n.created_at >= $1 AND length(n.user_id) >= 0 LIMIT $2)`
	selectMoments    = `SELECT CAST(n.created_at AS TEXT), count(*), group_concat(n.user_id || char(0) || coalesce(n.id, ''), char(0))
		FROM notifications n WHERE n.created_at >= $1 AND length(n.user_id) >= 0 GROUP BY n.created_at`
	selectMoment = `SELECT coalesce(n.id, ''), CAST(n.user_id AS TEXT) FROM notifications n WHERE n.created_at = $1 AND length(n.user_id) >= 0`
)

// moments are the rows of a window, by their created_at.
type moments map[string]rowsOfMoment

// rowsOfMoment are rows with the same created_at: how many, a hash of all of them in
// the order of the index, and one of each.
type rowsOfMoment struct {
	count int
	all   uint64
	each  map[uint64]struct{}
}

// recent names the users of rows of the window, or of its newest ones, that the look
// before did not have, and reports whether it saw all of them.
func (t *sqliteTail) recent(ctx context.Context, tx *sql.Tx, users map[string]struct{}) (whole bool, err error) {
	now, back := t.source.now(), newest
	if t.wantsWhole() {
		back = window + wholeEvery // what was within the window when it was changed, after the last time
	}
	from := sqliteStatements.moment(now.Add(-back).UnixMicro())
	var size int
	if err := tx.QueryRowContext(ctx, selectWindowSize, from, maxWindow).Scan(&size); err != nil || size == maxWindow {
		return false, err
	}
	found, err := t.moments(ctx, tx, from, users)
	if err != nil {
		return false, err
	}
	seen := 0
	for at, rows := range found {
		if rows.each == nil {
			if rows.each, err = t.compare(ctx, tx, at, users); err != nil {
				return false, err
			}
			found[at] = rows
		}
		seen += len(rows.each)
	}
	if t.left = back == newest; t.left {
		maps.Copy(t.window, found)
	} else {
		t.window, t.compared = found, now
	}
	return seen == size, nil // or a created_at is no text, and is not found by it
}

// due tells whether what looks before have left is to be compared now, though nothing
// was committed since.
func (t *sqliteTail) due() bool { return t.left && t.wantsWhole() }

func (t *sqliteTail) wantsWhole() bool {
	return t.window == nil || t.source.now().Sub(t.compared) >= wholeEvery
}

// moments reads the window, and names the users of rows that were not there before. Rows
// that it cannot tell apart it leaves to compare.
func (t *sqliteTail) moments(ctx context.Context, tx *sql.Tx, from any, users map[string]struct{}) (moments, error) {
	rows, err := tx.QueryContext(ctx, selectMoments, from)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := moments{}
	for rows.Next() {
		var at string
		var m rowsOfMoment
		var all sql.RawBytes
		if err := rows.Scan(&at, &m.count, &all); err != nil {
			return nil, err
		}
		m.all = maphash.Bytes(t.seed, all)
		before := t.window[at]
		switch {
		case m.count == before.count && m.all == before.all:
			m.each = before.each
		case bytes.Count(all, nul) == 2*m.count-1: // none is part of a name
			m.each = make(map[uint64]struct{}, m.count)
			for rest, more := []byte(all), true; more; {
				var user, id []byte
				user, rest, _ = bytes.Cut(rest, nul)
				id, rest, more = bytes.Cut(rest, nul)
				t.note(m.each, before.each, id, user, users)
			}
		}
		found[at] = m
	}
	return found, rows.Err()
}

// nul stands between the names in selectMoments.
var nul = []byte{0}

// note adds a row to those of its moment, and names its user if it was not there before.
func (t *sqliteTail) note(each, before map[uint64]struct{}, id, user []byte, users map[string]struct{}) {
	sum := hashParts(t.seed, id, user)
	each[sum] = struct{}{}
	if _, seen := before[sum]; !seen {
		users[string(user)] = struct{}{}
	}
}

// compare reads the rows of a moment one by one, and names the users of those that were
// not there before.
func (t *sqliteTail) compare(ctx context.Context, tx *sql.Tx, at string, users map[string]struct{}) (map[uint64]struct{}, error) {
	rows, err := tx.QueryContext(ctx, selectMoment, at)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	before, each := t.window[at].each, map[uint64]struct{}{}
	for rows.Next() {
		var id, user sql.RawBytes
		if err := rows.Scan(&id, &user); err != nil {
			return nil, err
		}
		t.note(each, before, id, user, users)
	}
	return each, rows.Err()
}
