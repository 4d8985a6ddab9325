package demo

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPollRow(t *testing.T) {
	a := newApp(t)
	exec(t, a, `INSERT INTO notifications VALUES
		('n1', 'alice', 'e1', 'info', 'Title', 'Text', '{"job_id":"j1"}', '2026-01-01 00:00:01', '2026-02-01 00:00:00'),
		('n0', 'alice', NULL, 'info', NULL, NULL, NULL, '2026-01-01 00:00:00', NULL),
		('n2', 'bob', NULL, 'info', NULL, NULL, NULL, '2026-01-01 00:00:00', NULL)`)
	exec(t, a, `INSERT INTO notification_deliveries VALUES
		('n1:alice', 'alice', 'n1', NULL, '2026-01-02 00:00:00', '2026-01-03 00:00:00')`)
	w := get(t, a, "/api/notifications", "alice")
	want := `{"notifications":[{"id":"n1","user_id":"alice","event_id":"e1","level":"info","title":"Title","text":"Text",` +
		`"context":"{\"job_id\":\"j1\"}","created_at":"2026-01-01 00:00:01","expires_at":"2026-02-01 00:00:00",` +
		`"seen_at":"2026-01-02 00:00:00","dismissed_at":"2026-01-03 00:00:00"},` +
		`{"id":"n0","user_id":"alice","event_id":null,"level":"info","title":null,"text":null,"context":null,` +
		`"created_at":"2026-01-01 00:00:00","expires_at":null,"seen_at":null,"dismissed_at":null}]}`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
	if got := get(t, a, "/api/notifications", "carol").Body.String(); got != `{"notifications":[]}` {
		t.Errorf("carol, who has none, gets %s", got)
	}
}

func TestPollLimit(t *testing.T) {
	a := newApp(t)
	for i := range 120 {
		put(t, a, fmt.Sprintf("n%03d", i), i)
	}
	tests := []struct {
		query string
		want  int
	}{
		{"", 50}, {"?limit=7", 7}, {"?limit=+7", 422}, {"?limit=%2B7", 7},
		{"?limit=0", 1}, {"?limit=-5", 1}, {"?limit=101", 100},
		{"?limit=99999999999999999999", 100}, {"?limit=-99999999999999999999", 1},
		{"?limit=", 422}, {"?limit=x", 422}, {"?limit=1.5", 422},
	}
	for _, tt := range tests {
		w := get(t, a, "/api/notifications"+tt.query, "alice")
		if w.Code == http.StatusUnprocessableEntity {
			want := `{"detail":[{"loc":["query","limit"],"msg":"not an integer"}]}`
			if tt.want != 422 || w.Body.String() != want {
				t.Errorf("%q: %d %s, want %d", tt.query, w.Code, w.Body, tt.want)
			}
			continue
		}
		if got := strings.Count(w.Body.String(), `"id"`); got != tt.want {
			t.Errorf("%q: %d items, want %d", tt.query, got, tt.want)
		}
	}
}

func TestPollCursor(t *testing.T) {
	a := newApp(t)
	put(t, a, "m", 5) // the cursor
	put(t, a, "z", 4)
	put(t, a, "n", 5)
	put(t, a, "b", 6)
	put(t, a, "a", 7)
	put(t, a, "c", 7)
	exec(t, a, `INSERT INTO notifications (id, user_id, created_at) VALUES ('bobs', 'bob', '2026-01-01 00:00:06')`)
	tests := []struct {
		name, query string
		want        []string
	}{
		{"newest first, ids break ties", "", []string{"c", "a", "b", "n", "m", "z"}},
		{"after a cursor", "?after_id=b", []string{"c", "a"}},
		{"same second, larger id", "?after_id=m", []string{"c", "a", "b", "n"}},
		{"legacy bug: same second, smaller id is never delivered", "?after_id=n", []string{"c", "a", "b"}},
		{"legacy bug: the oldest beyond the limit are never delivered", "?after_id=m&limit=2", []string{"c", "a"}},
		{"nothing new", "?after_id=c", []string{}},
		{"unknown means no cursor", "?after_id=unknown&limit=2", []string{"c", "a"}},
		{"empty means no cursor", "?after_id=&limit=2", []string{"c", "a"}},
		{"somebody else's means no cursor", "?after_id=bobs&limit=9", []string{"c", "a", "b", "n", "m", "z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, poll(t, a, tt.query)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMark(t *testing.T) {
	a := newApp(t)
	put(t, a, "n1", 1)
	tests := []struct {
		name, path, user string
		status           int
		seen, dismissed  bool
	}{
		{"somebody else's", "n1/seen", "bob", 404, false, false},
		{"unknown", "n2/dismiss", "alice", 404, false, false},
		{"seen", "n1/seen", "alice", 200, true, false},
		{"seen again", "n1/seen", "alice", 200, true, false},
		{"dismissed", "n1/dismiss", "alice", 200, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := answer(a, request(t, "POST", "/api/notifications/"+tt.path, tt.user, ""))
			if w.Code != tt.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.status)
			}
			list, err := a.store.list(t.Context(), "alice", "", 1)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			if n := list[0]; (n.SeenAt != nil) != tt.seen || (n.DismissedAt != nil) != tt.dismissed {
				t.Errorf("seen %v, dismissed %v", n.SeenAt, n.DismissedAt)
			}
		})
	}
	var id string
	row := a.store.db.QueryRowContext(t.Context(), `SELECT group_concat(id) FROM notification_deliveries`)
	if err := row.Scan(&id); err != nil || id != "n1:alice" {
		t.Errorf("deliveries %q %v, want n1:alice", id, err)
	}
}

func TestReadFault(t *testing.T) {
	a := newApp(t)
	exec(t, a, `DROP TABLE notifications`)
	for _, target := range []string{"/api/notifications", "/dashboard/activity"} {
		w := get(t, a, target, "alice")
		if w.Code != 500 || w.Body.String() != `{"detail":"Internal server error"}` {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}
