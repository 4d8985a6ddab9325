package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = []byte("a secret of the tests, 32 bytes.")

const testCSRF = "the-csrf-token"

// newApp is an app on a new database that the test's end closes.
func newApp(t *testing.T) *App {
	t.Helper()
	a, err := New(filepath.Join(t.TempDir(), "app.db"), testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func signedWith(t *testing.T, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func tokenOf(t *testing.T, user string) string {
	return signedWith(t, jwt.SigningMethodHS256, testKey, jwt.MapClaims{"user_id": user})
}

// request is a request of a signed-in user that passes the CSRF check.
func request(t *testing.T, method, target, user, body string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-CSRF-Token", testCSRF)
	r.AddCookie(&http.Cookie{Name: "csrf_token", Value: testCSRF})
	r.AddCookie(&http.Cookie{Name: "access_token", Value: tokenOf(t, user)})
	return r
}

// answer is what the app says to r.
func answer(a *App, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func get(t *testing.T, a *App, target, user string) *httptest.ResponseRecorder {
	t.Helper()
	return answer(a, request(t, "GET", target, user, ""))
}

// exec runs SQL behind the app's back.
func exec(t *testing.T, a *App, query string, args ...any) {
	t.Helper()
	if _, err := a.store.db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// put writes one of alice's notifications of a given second.
func put(t *testing.T, a *App, id string, second int) {
	t.Helper()
	exec(t, a, `INSERT INTO notifications (id, user_id, level, title, text, context, created_at)
		VALUES (?, 'alice', 'info', 'Title', 'Text', '{"job_id":"j1"}', ?)`,
		id, fmt.Sprintf("2026-01-01 00:%02d:%02d", second/60, second%60))
}

// poll returns the ids the polling endpoint answers with.
func poll(t *testing.T, a *App, query string) []string {
	t.Helper()
	w := get(t, a, "/api/notifications"+query, "alice")
	if w.Code != http.StatusOK {
		t.Fatalf("poll %s: %d %s", query, w.Code, w.Body)
	}
	var page struct {
		Notifications []struct{ ID string }
	}
	decode(t, w.Body, &page)
	ids := []string{}
	for _, n := range page.Notifications {
		ids = append(ids, n.ID)
	}
	return ids
}

func decode(t *testing.T, from io.Reader, to any) {
	t.Helper()
	if err := json.NewDecoder(from).Decode(to); err != nil {
		t.Fatal(err)
	}
}

// order starts a job of alice and returns its id.
func order(t *testing.T, a *App, body string) string {
	t.Helper()
	w := answer(a, request(t, "POST", "/jobs", "alice", body))
	if w.Code != http.StatusAccepted {
		t.Fatalf("POST /jobs %s: %d %s", body, w.Code, w.Body)
	}
	var started struct {
		JobID string `json:"job_id"`
	}
	decode(t, w.Body, &started)
	return started.JobID
}

// reader is the far end of a stream that tests run under fake time.
type reader struct {
	httptest.ResponseRecorder
	mu    sync.Mutex
	begun time.Time
	lines []string // "<seconds since the start> <line>", of flushed lines only
	text  string
	done  chan struct{}
}

// follow opens a stream of a user; the test's end, or the app's, ends it.
func follow(t *testing.T, a *App, target, user string) *reader {
	s := &reader{begun: time.Now(), done: make(chan struct{})}
	s.ResponseRecorder = *httptest.NewRecorder()
	go func() {
		defer close(s.done)
		a.ServeHTTP(s, request(t, "GET", target, user, ""))
	}()
	return s
}

func (s *reader) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text += string(b)
	return len(b), nil
}

func (s *reader) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

func (s *reader) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.text) {
		if line != "\n" {
			s.lines = append(s.lines, fmt.Sprintf("%.0f %s", time.Since(s.begun).Seconds(), strings.TrimSpace(line)))
		}
	}
	s.text = ""
}

// take returns the lines that came since the last call.
func (s *reader) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

// ids returns, as "<second> <id>", the notifications that came since the last call.
func (s *reader) ids(t *testing.T) []string {
	t.Helper()
	var ids []string
	for _, line := range s.take() {
		second, data, _ := strings.Cut(line, " data: ")
		var event struct {
			Data struct{ ID string }
		}
		decode(t, strings.NewReader(data), &event)
		ids = append(ids, second+" "+event.Data.ID)
	}
	return ids
}
