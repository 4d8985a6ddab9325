package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

const (
	roundInterval = 5 * time.Second
	roundSize     = 20
)

// streamed is a notification as the stream shows it. Unlike in a row, Context
// is an object.
type streamed struct {
	ID        string         `json:"id"`
	Level     *string        `json:"level"`
	Text      *string        `json:"text"`
	Title     *string        `json:"title"`
	CreatedAt string         `json:"created_at"`
	Context   map[string]any `json:"context"`
}

// stream answers GET /api/stream: a round of notifications every 5 s until the
// browser leaves or the app closes. The cursor lives as long as the
// connection, since the session that should keep it is switched off; so every
// stream starts with the newest 20.
func (a *App) stream(w http.ResponseWriter, r *http.Request, user string) {
	out, err := openEvents(w)
	cursor := ""
	for err == nil {
		if cursor, err = a.round(r.Context(), out, user, cursor); err == nil {
			err = sleep(r.Context(), roundInterval)
		}
	}
}

// round sends what came after cursor, or a heartbeat, and returns the next
// cursor. An error means that the stream is over.
//
// Legacy bugs: it sends newest first and then goes on after the oldest of the
// round, so it sends all others again. Of more than 20 new items it loses the
// oldest. And it moves the cursor before the bytes are out, so what a broken
// connection swallows is not sent again.
func (a *App) round(ctx context.Context, out *events, user, cursor string) (string, error) {
	list, err := a.store.list(ctx, user, cursor, roundSize)
	switch {
	case ctx.Err() != nil:
		return cursor, ctx.Err()
	case err != nil:
		return cursor, out.send("error", map[string]string{"message": "Cannot read notifications"})
	case len(list) == 0:
		return cursor, out.heartbeat()
	}
	cursor = list[len(list)-1].ID
	for _, n := range list {
		if err := out.send("notification.created", forStream(n)); err != nil {
			return cursor, err
		}
	}
	return cursor, nil
}

// forStream turns a row into what the stream sends. A context that is missing
// or no JSON object becomes {}.
func forStream(n notification) streamed {
	s := streamed{ID: n.ID, Level: n.Level, Text: n.Text, Title: n.Title, CreatedAt: n.CreatedAt}
	if n.Context == nil || json.Unmarshal([]byte(*n.Context), &s.Context) != nil || s.Context == nil {
		s.Context = map[string]any{}
	}
	return s
}

// sleep waits for d, or for the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
