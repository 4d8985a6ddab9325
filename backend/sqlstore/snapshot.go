package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/backend"
)

// snapshot is one user's rows within one read transaction. created_at is text to
// the second in the app's tables, so bounds are rounded to the second: down
// where a range begins, which is safe, and never where it ends, since keys come
// from rows.
type snapshot struct {
	ctx  context.Context
	tx   *sql.Tx
	user string
	now  time.Time // the file is local, so its writer's clock is ours
}

const (
	columns = `SELECT n.id, n.event_id, n.level, n.title, n.text, n.context, n.created_at, n.expires_at, d.seen_at, d.dismissed_at
		FROM notifications n LEFT JOIN notification_deliveries d ON d.id = n.id || ':' || n.user_id
		WHERE n.user_id = ? AND `
	// What is no date does not expire: better shown too long than hidden.
	live = ` AND coalesce(datetime(n.expires_at), '9999') > ? `

	oldestFirst = ` ORDER BY n.created_at, n.id LIMIT ?`
	newestFirst = ` ORDER BY n.created_at DESC, n.id DESC LIMIT ?`

	unlimited = -1
)

func text(at int64) string { return time.UnixMicro(at).UTC().Format(backend.LegacyTime) }

func (s *snapshot) Now() int64 { return s.now.UnixMicro() }

func (s *snapshot) Keys(from int64, to backend.Key) ([]backend.Key, bool, error) {
	rows, err := s.tx.QueryContext(s.ctx, `SELECT created_at, id FROM notifications
		WHERE user_id = ? AND created_at >= ? AND (created_at, id) <= (?, ?) ORDER BY created_at, id`,
		s.user, text(from), text(to.At), to.ID)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var keys []backend.Key
	for rows.Next() {
		var created, id string
		if err := rows.Scan(&created, &id); err != nil {
			return nil, false, err
		}
		key, err := keyOf(created, id)
		if err != nil {
			return nil, false, err
		}
		keys = append(keys, key)
	}
	return keys, true, rows.Err()
}

func (s *snapshot) Span(from int64, to backend.Key) ([]backend.Notification, error) {
	return s.items(`n.created_at >= ? AND (n.created_at, n.id) <= (?, ?)`, oldestFirst, unlimited,
		text(from), text(to.At), to.ID)
}

func (s *snapshot) After(k backend.Key, n int) ([]backend.Notification, bool, error) {
	items, err := s.items(`(n.created_at, n.id) > (?, ?)`, oldestFirst, n, text(k.At), k.ID)
	return items, true, err
}

func (s *snapshot) Before(k backend.Key, n int) ([]backend.Notification, error) {
	items, err := s.items(`(n.created_at, n.id) < (?, ?)`, newestFirst, n, text(k.At), k.ID)
	slices.Reverse(items)
	return items, err
}

func (s *snapshot) Newest(n int) ([]backend.Notification, error) {
	items, err := s.items(`true`, newestFirst, n)
	slices.Reverse(items)
	return items, err
}

func (s *snapshot) All() ([]backend.Notification, error) { return s.Newest(unlimited) }

func (s *snapshot) Find(id string) (backend.Key, bool, error) {
	var created string
	err := s.tx.QueryRowContext(s.ctx, `SELECT created_at FROM notifications WHERE id = ? AND user_id = ?`, id, s.user).Scan(&created)
	if errors.Is(err, sql.ErrNoRows) {
		return backend.Key{}, false, nil
	}
	if err != nil {
		return backend.Key{}, false, err
	}
	key, err := keyOf(created, id)
	return key, true, err
}

// items runs a query over live rows; args belong to the condition.
func (s *snapshot) items(where, order string, limit int, args ...any) ([]backend.Notification, error) {
	args = slices.Concat([]any{s.user}, args, []any{text(s.Now()), limit})
	rows, err := s.tx.QueryContext(s.ctx, columns+where+live+order, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []backend.Notification
	for rows.Next() {
		n, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, n)
	}
	return items, rows.Err()
}

func scan(rows *sql.Rows) (backend.Notification, error) {
	var id, created string
	var event, level, title, body, data, expires, seen, dismissed sql.NullString
	if err := rows.Scan(&id, &event, &level, &title, &body, &data, &created, &expires, &seen, &dismissed); err != nil {
		return backend.Notification{}, err
	}
	key, err := keyOf(created, id)
	return backend.Notification{
		Key: key, EventID: event.String, Level: level.String, Title: title.String, Text: body.String,
		Context:   backend.ContextObject([]byte(data.String)),
		ExpiresAt: moment(expires.String), SeenAt: moment(seen.String), DismissedAt: moment(dismissed.String),
	}, err
}

// keyOf refuses what cannot be ordered: another date format would sort wrongly
// against the cursor, and so hide items.
func keyOf(created, id string) (backend.Key, error) {
	at, err := time.Parse(backend.LegacyTime, created)
	if err != nil || len(created) != len(backend.LegacyTime) { // time.Parse lets fractions of a second through
		return backend.Key{}, fmt.Errorf("notification %q: created_at is %q, want YYYY-MM-DD HH:MM:SS in UTC", id, created)
	}
	if len(id) > backend.MaxIDLength {
		return backend.Key{}, fmt.Errorf("notification id of %d bytes, at most %d are supported", len(id), backend.MaxIDLength)
	}
	return backend.Key{At: at.UnixMicro(), ID: id}, nil
}

// moment reads an optional time; what is none counts as absent.
func moment(s string) time.Time {
	t, _ := backend.ParseTime(s)
	return t
}
