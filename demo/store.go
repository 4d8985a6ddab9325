package demo

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed schema.sql
var schema string

// notification is a row as the polling endpoint shows it. Context is JSON text.
type notification struct {
	ID          string  `json:"id"`
	UserID      string  `json:"user_id"`
	EventID     *string `json:"event_id"`
	Level       *string `json:"level"`
	Title       *string `json:"title"`
	Text        *string `json:"text"`
	Context     *string `json:"context"`
	CreatedAt   string  `json:"created_at"`
	ExpiresAt   *string `json:"expires_at"`
	SeenAt      *string `json:"seen_at"`
	DismissedAt *string `json:"dismissed_at"`
}

// store is the app's database.
type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	dsn, err := dataSource(path)
	if err != nil {
		return nil, fmt.Errorf("demo: database %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("demo: open %s: %w", path, err)
	}
	if _, err := db.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: create tables in %s: %w", path, err), db.Close())
	}
	return &store{db: db}, nil
}

// dataSource names the file as a URI, since a plain path may not hold '?'.
// The pragmas stand here so that every connection of the pool gets them.
func dataSource(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"}}
	return (&url.URL{Scheme: "file", Path: absolute, RawQuery: pragmas.Encode()}).String(), nil
}

func (s *store) close() error { return s.db.Close() }

// add writes a notification. Level, Title, Text and Context of n count; id and
// time are new.
func (s *store) add(ctx context.Context, n notification) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT OR REPLACE INTO notifications (id, user_id, level, title, text, context) VALUES (?, ?, ?, ?, ?, ?)`,
		uuid.NewString(), n.UserID, n.Level, n.Title, n.Text, n.Context)
	return err
}

const selectNotifications = `
SELECT n.id, n.user_id, n.event_id, n.level, n.title, n.text, n.context, n.created_at, n.expires_at,
       d.seen_at, d.dismissed_at
FROM notifications n
LEFT JOIN notification_deliveries d ON d.id = n.id || ':' || n.user_id
WHERE n.user_id = ? AND (n.created_at, n.id) > (?, ?)
ORDER BY n.created_at DESC, n.id DESC LIMIT ?`

// list is the newest limit notifications of a user after the one called
// afterID, newest first. An unknown or empty afterID means no cursor.
//
// Legacy bug: ids are random and created_at counts seconds, so an item of the
// cursor's second with a smaller id is never listed. With more than limit new
// items the oldest of them are never listed either.
func (s *store) list(ctx context.Context, user, afterID string, limit int) ([]notification, error) {
	after, err := s.createdAt(ctx, user, afterID) // "" is before all times
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, selectNotifications, user, after, afterID, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []notification{}
	for rows.Next() {
		var n notification
		if err := rows.Scan(&n.ID, &n.UserID, &n.EventID, &n.Level, &n.Title, &n.Text, &n.Context,
			&n.CreatedAt, &n.ExpiresAt, &n.SeenAt, &n.DismissedAt); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// writtenAfter is what was written for a user after the row called after, oldest
// first, and the newest row of all users.
func (s *store) writtenAfter(ctx context.Context, user string, after int64) (ids []string, newest int64, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT rowid, id, user_id = ? FROM notifications WHERE rowid > ? ORDER BY rowid`, user, after)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	ids, newest = []string{}, after
	for rows.Next() {
		var id string
		var theirs bool
		if err := rows.Scan(&newest, &id, &theirs); err != nil {
			return nil, 0, err
		}
		if theirs {
			ids = append(ids, id)
		}
	}
	return ids, newest, rows.Err()
}

// newestRow is 0 while there is none.
func (s *store) newestRow(ctx context.Context) (row int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT coalesce(max(rowid), 0) FROM notifications`).Scan(&row)
	return row, err
}

// createdAt is the time of a user's notification, empty when there is none.
func (s *store) createdAt(ctx context.Context, user, id string) (at string, err error) {
	err = s.db.QueryRowContext(ctx,
		`SELECT created_at FROM notifications WHERE id = ? AND user_id = ?`, id, user).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return at, err
}

// mark sets seen_at or dismissed_at of a user's notification to now and
// reports whether there is such a notification. column is never user input.
func (s *store) mark(ctx context.Context, user, id, column string) (bool, error) {
	if at, err := s.createdAt(ctx, user, id); at == "" {
		return false, err
	}
	_, err := s.db.ExecContext(ctx, `
INSERT INTO notification_deliveries (id, user_id, notification_id, delivered_at, `+column+`)
VALUES (? || ':' || ?, ?, ?, datetime('now'), datetime('now'))
ON CONFLICT (id) DO UPDATE SET `+column+` = excluded.`+column,
		id, user, user, id)
	return err == nil, err
}
