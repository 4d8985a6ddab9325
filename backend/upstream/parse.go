package upstream

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice/backend"
)

// row is what the app sends; context is a JSON text there, not an object.
type row struct {
	ID          string          `json:"id"`
	UserID      string          `json:"user_id"`
	EventID     string          `json:"event_id"`
	Level       string          `json:"level"`
	Title       string          `json:"title"`
	Text        string          `json:"text"`
	Context     json.RawMessage `json:"context"`
	CreatedAt   string          `json:"created_at"`
	ExpiresAt   string          `json:"expires_at"`
	SeenAt      string          `json:"seen_at"`
	DismissedAt string          `json:"dismissed_at"`
}

// parse reads the app's answer. An answer that cannot be understood as a whole
// is refused as a whole: a row left out would be a row hidden.
func parse(body []byte, user string) ([]backend.Notification, error) {
	var answer struct {
		Notifications *[]row `json:"notifications"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Notifications == nil {
		return nil, errors.New("notifications: missing")
	}
	items := make([]backend.Notification, 0, len(*answer.Notifications))
	for i, r := range *answer.Notifications {
		n, err := r.notification(user)
		if err != nil {
			return nil, fmt.Errorf("notifications[%d]: %w", i, err)
		}
		items = append(items, n)
	}
	return items, nil
}

func (r row) notification(user string) (backend.Notification, error) {
	if r.ID == "" || len(r.ID) > backend.MaxIDLength {
		return backend.Notification{}, fmt.Errorf("id: want 1 to %d bytes", backend.MaxIDLength)
	}
	if r.UserID != "" && r.UserID != user {
		return backend.Notification{}, errors.New("user_id: another user's")
	}
	created, ok := backend.ParseTime(r.CreatedAt)
	if !ok {
		return backend.Notification{}, fmt.Errorf("created_at: %q is no UTC time", r.CreatedAt)
	}
	n := backend.Notification{
		Key:     backend.Key{At: created.UnixMicro(), ID: r.ID},
		EventID: r.EventID, Level: r.Level, Title: r.Title, Text: r.Text,
		Context: object(r.Context),
	}
	// What is no time counts as absent: better shown too long than hidden.
	n.ExpiresAt, _ = backend.ParseTime(r.ExpiresAt)
	n.SeenAt, _ = backend.ParseTime(r.SeenAt)
	n.DismissedAt, _ = backend.ParseTime(r.DismissedAt)
	return n, nil
}

func object(raw json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return backend.ContextObject([]byte(text))
	}
	return backend.ContextObject(raw)
}
