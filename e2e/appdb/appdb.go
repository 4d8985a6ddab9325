// Package appdb writes notifications straight into the sample app's database, as
// the app's background jobs do behind the gateway's back. Tests use it while the
// app itself is down.
package appdb

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Row is one notification. Its id is new with every insert.
type Row struct {
	User    string        `json:"user"`
	Level   string        `json:"level"`
	Text    string        `json:"text"`
	Context string        `json:"context"` // JSON text, as the app stores it
	Age     time.Duration `json:"age"`     // created so long ago, in nanoseconds
}

// DB is a database that the sample app has created.
type DB struct{ db *sql.DB }

// Open opens the file, which must exist.
func Open(path string) (*DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=rw&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	if err := db.Ping(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return &DB{db}, nil
}

// Close closes the file.
func (d *DB) Close() error { return d.db.Close() }

// Insert writes rows one by one, each in a transaction of its own, and returns
// their ids.
func (d *DB) Insert(rows ...Row) ([]string, error) {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		id, at := uuid.NewString(), time.Now().UTC().Add(-r.Age).Format(time.DateTime)
		if _, err := d.db.Exec(
			`INSERT INTO notifications (id, user_id, level, title, text, context, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			id, r.User, r.Level, r.Text, r.Text, r.Context, at); err != nil {
			return ids, fmt.Errorf("insert a notification: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
