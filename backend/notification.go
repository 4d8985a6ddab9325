// Package backend says what a notification is, in which order a user reads
// them, and what a cursor promises; the packages below it say where they come
// from.
//
// The order is the app's: created_at and then id. Neither is under our control:
// created_at has a resolution of one second and is set before the row is
// visible, ids are random. A row can therefore appear behind a position that was
// already handed out. The cursor carries a checksum of what stood behind it, so
// that the next read notices; Read holds that algorithm, once, for every source.
package backend

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

// LegacyTime is the app's created_at: UTC, to the second.
const LegacyTime = "2006-01-02 15:04:05"

// Key is a row's place in a user's order. The zero Key is before the first row.
type Key struct {
	At int64 // created_at in microseconds since 1970, UTC
	ID string
}

// Compare orders keys as the app does: by created_at, then by the id's bytes.
func (k Key) Compare(o Key) int {
	if c := cmp.Compare(k.At, o.At); c != 0 {
		return c
	}
	return strings.Compare(k.ID, o.ID)
}

// Time is created_at in UTC.
func (k Key) Time() time.Time { return time.UnixMicro(k.At).UTC() }

// Notification is one row of one user. The optional times are zero when the
// app has none.
type Notification struct {
	Key
	EventID     string
	Level       string // error, success or info; another level of the app is kept as it is, since pages de-duplicate by it
	Title, Text string
	Context     json.RawMessage // always a JSON object
	ExpiresAt   time.Time
	SeenAt      time.Time
	DismissedAt time.Time
}

// Expired reports whether the item is over at a moment in microseconds.
func (n Notification) Expired(now int64) bool {
	return !n.ExpiresAt.IsZero() && n.ExpiresAt.UnixMicro() <= now
}

// MarshalJSON gives the item of GET /api/notifications: times in RFC 3339, null
// where the app has nothing.
func (n Notification) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		ID        string          `json:"id"`
		Level     string          `json:"level"`
		Title     string          `json:"title"`
		Text      string          `json:"text"`
		Context   json.RawMessage `json:"context"`
		CreatedAt time.Time       `json:"created_at"`
		EventID   *string         `json:"event_id"`
		Expires   *time.Time      `json:"expires_at"`
		Seen      *time.Time      `json:"seen_at"`
		Dismissed *time.Time      `json:"dismissed_at"`
	}{
		n.ID, n.Level, n.Title, n.Text, n.Context, n.Time(),
		optional(n.EventID), optional(n.ExpiresAt), optional(n.SeenAt), optional(n.DismissedAt),
	})
}

// Legacy gives the item as the app's own stream sends it: created_at to the
// second, no delivery state.
func (n Notification) Legacy() ([]byte, error) {
	return marshal(struct {
		ID        string          `json:"id"`
		Level     string          `json:"level"`
		Text      string          `json:"text"`
		Title     string          `json:"title"`
		CreatedAt string          `json:"created_at"`
		Context   json.RawMessage `json:"context"`
	}{n.ID, n.Level, n.Text, n.Title, n.Time().Format(LegacyTime), n.Context})
}

// ParseTime reads a time as the app writes it, or in RFC 3339.
func ParseTime(s string) (time.Time, bool) {
	for _, layout := range []string{LegacyTime, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// ContextObject turns what the app stores as context into the object that pages
// expect; what is no JSON object becomes {}.
func ContextObject(stored []byte) json.RawMessage {
	stored = bytes.ToValidUTF8(bytes.TrimSpace(stored), []byte("\uFFFD"))
	if len(stored) == 0 || stored[0] != '{' || !json.Valid(stored) {
		return json.RawMessage("{}")
	}
	return stored
}

// marshal leaves <, > and & alone, as the app does.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
