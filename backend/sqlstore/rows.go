package sqlstore

import (
	"database/sql"
	"fmt"
	"time"

	"sluice/backend"
)

// moment is an optional time in a row. What is no time counts as absent.
type moment struct{ time.Time }

// Scan implements sql.Scanner.
func (m *moment) Scan(value any) error {
	m.Time = time.Time{}
	switch v := value.(type) {
	case time.Time:
		m.Time = v.UTC()
	case string:
		m.Time, _ = backend.ParseTime(v)
	case []byte:
		m.Time, _ = backend.ParseTime(string(v))
	}
	return nil
}

// created is created_at in a row, and why it cannot be ordered.
type created struct {
	at  int64
	bad string
}

// Scan implements sql.Scanner.
func (c *created) Scan(value any) error {
	*c = created{}
	switch v := value.(type) {
	case time.Time:
		c.at = v.UnixMicro()
	case string:
		c.at, c.bad = parseCreated(v)
	case []byte:
		c.at, c.bad = parseCreated(string(v))
	default:
		c.bad = "missing or infinite"
	}
	return nil
}

func parseCreated(s string) (int64, string) {
	t, err := time.Parse(backend.LegacyTime, s)
	if err != nil || len(s) != len(backend.LegacyTime) { // time.Parse lets fractions of a second through
		return 0, fmt.Sprintf("%q, want YYYY-MM-DD HH:MM:SS in UTC", s)
	}
	return t.UnixMicro(), ""
}

// key refuses what cannot be ordered: another date format would sort wrongly
// against the cursor, and so hide items.
func (c created) key(id string) (backend.Key, error) {
	if c.bad != "" {
		return backend.Key{}, fmt.Errorf("notification %q: created_at is %s", id, c.bad)
	}
	if len(id) > backend.MaxIDLength {
		return backend.Key{}, fmt.Errorf("notification id of %d bytes, at most %d are supported", len(id), backend.MaxIDLength)
	}
	return backend.Key{At: c.at, ID: id}, nil
}

type scanner interface{ Scan(dest ...any) error }

func scanKey(row scanner) (backend.Key, error) {
	var at created
	var id string
	if err := row.Scan(&at, &id); err != nil {
		return backend.Key{}, err
	}
	return at.key(id)
}

func scanItem(row scanner) (backend.Notification, error) {
	var at created
	var id string
	var event, level, title, text, data sql.NullString
	var expires, seen, dismissed moment
	if err := row.Scan(&at, &id, &event, &level, &title, &text, &data, &expires, &seen, &dismissed); err != nil {
		return backend.Notification{}, err
	}
	key, err := at.key(id)
	return backend.Notification{
		Key: key, EventID: event.String, Level: level.String, Title: title.String, Text: text.String,
		Context:   backend.ContextObject([]byte(data.String)),
		ExpiresAt: expires.Time, SeenAt: seen.Time, DismissedAt: dismissed.Time,
	}, err
}
