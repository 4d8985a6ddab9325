package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/backend"
	"sluice/backend/sourcetest"
	"sluice/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// legacyApp answers as the app does: newest first, at most 100, context as text.
type legacyApp struct {
	mu   sync.Mutex
	rows []sourcetest.Row
}

func (a *legacyApp) Insert(_ *testing.T, rows ...sourcetest.Row) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, row := range rows {
		a.rows = append(slices.DeleteFunc(a.rows, func(r sourcetest.Row) bool { return r.ID == row.ID }), row)
	}
}

func (a *legacyApp) Delete(_ *testing.T, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows = slices.DeleteFunc(a.rows, func(r sourcetest.Row) bool { return r.ID == id })
}

func (a *legacyApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	cookie, err := r.Cookie("access_token") // the user's name, in this app
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	list := []map[string]any{}
	for _, row := range a.rows {
		if row.User != cookie.Value {
			continue
		}
		m := map[string]any{"id": row.ID, "user_id": row.User, "event_id": nil, "level": "info", "title": "T", "text": "x",
			"context": nil, "created_at": row.CreatedAt.Format(backend.LegacyTime), "expires_at": nil, "seen_at": nil, "dismissed_at": nil}
		for name, value := range map[string]string{"context": row.Context, "expires_at": row.ExpiresAt, "seen_at": row.SeenAt} {
			if value != "" {
				m[name] = value
			}
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(b["created_at"], b["id"]), fmt.Sprint(a["created_at"], a["id"]))
	})
	_ = json.NewEncoder(w).Encode(map[string]any{"notifications": list[:min(100, len(list))]})
}

func open(t *testing.T, app http.Handler) *Source {
	t.Helper()
	server := httptest.NewServer(app)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{URL: u, Name: "access_token", Timeout: 5 * time.Second})
	t.Cleanup(func() { s.Close(); server.Close() })
	return s
}

func TestSource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) (backend.Source, sourcetest.App) {
		app := &legacyApp{}
		return open(t, app), app
	})
}

func TestMoreThanAPageIsAReset(t *testing.T) {
	app := &legacyApp{}
	s := open(t, app)
	now := time.Now().UTC()
	app.Insert(t, sourcetest.Row{ID: "first", User: "alice", CreatedAt: now.Add(-time.Hour)})
	place := read(t, s, backend.Query{Limit: 50}).Place
	for i := range 150 {
		app.Insert(t, sourcetest.Row{ID: fmt.Sprint(i), User: "alice", CreatedAt: now.Add(-time.Minute)})
	}
	p := read(t, s, backend.Query{After: place, Limit: 50})
	if len(p.Items) != 100 || !p.Reset || p.Check != backend.CheckGap {
		t.Errorf("%d items, reset %v, check %s; want all 100 at hand and a reset", len(p.Items), p.Reset, p.Check)
	}
}

func read(t *testing.T, s *Source, q backend.Query) backend.Page {
	t.Helper()
	p, err := s.Read(t.Context(), backend.Caller{User: "alice", Token: "alice"}, q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCredentialAndNothingElse(t *testing.T) {
	var got http.Header
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		if r.RequestURI != "/api/notifications?limit=100" {
			t.Errorf("asked for %s", r.RequestURI)
		}
		w.Write([]byte(`{"notifications":[]}`))
	}))
	for _, c := range []struct {
		caller       backend.Caller
		name, header string
		without      string
	}{
		{backend.Caller{User: "alice", Token: "tok"}, "Cookie", "access_token=tok", "Authorization"},
		{backend.Caller{User: "alice", Token: "tok", Via: backend.Bearer}, "Authorization", "Bearer tok", "Cookie"},
	} {
		if _, err := s.Read(t.Context(), c.caller, backend.Query{Limit: 1}); err != nil {
			t.Fatal(err)
		}
		if got.Get(c.name) != c.header || got.Get(c.without) != "" {
			t.Errorf("sent %v", got)
		}
	}
}

func TestFaults(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); w.Write([]byte(body)) }
	}
	for name, c := range map[string]struct {
		app  http.HandlerFunc
		want backend.Fault
	}{
		"401":            {status(401, `{"detail":"Authentication required"}`), backend.Unauthorized},
		"403":            {status(403, ``), backend.Unauthorized},
		"404":            {status(404, ``), backend.BadAnswer},
		"500":            {status(500, ``), backend.BadAnswer},
		"HTML":           {status(200, `<!doctype html><p>hello`), backend.BadAnswer},
		"half a JSON":    {status(200, `{"notifications":[{"id":"a"`), backend.BadAnswer},
		"no list":        {status(200, `{}`), backend.BadAnswer},
		"null":           {status(200, `null`), backend.BadAnswer},
		"another type":   {status(200, `{"notifications":{}}`), backend.BadAnswer},
		"no id":          {status(200, `{"notifications":[{"created_at":"2026-11-24 08:00:00"}]}`), backend.BadAnswer},
		"no date":        {status(200, `{"notifications":[{"id":"a"}]}`), backend.BadAnswer},
		"another's rows": {status(200, `{"notifications":[{"id":"a","user_id":"bob","created_at":"2026-11-24 08:00:00"}]}`), backend.BadAnswer},
		"10 MB":          {status(200, `{"notifications":[`+strings.Repeat(" ", 10<<20)+`]}`), backend.BadAnswer},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login", http.StatusFound)
		}, backend.BadAnswer},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{`))
			panic(http.ErrAbortHandler)
		}, backend.BadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, c.app).Read(t.Context(), backend.Caller{User: "alice", Token: "t"}, backend.Query{Limit: 1})
			if backend.FaultOf(err) != c.want || err == nil {
				t.Errorf("%v is %q, want %q", err, backend.FaultOf(err), c.want)
			}
		})
	}
}

func TestNoAnswerInTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	s.options.Timeout = time.Millisecond
	if _, err := s.Read(t.Context(), backend.Caller{User: "alice"}, backend.Query{Limit: 1}); backend.FaultOf(err) != backend.TooLate {
		t.Errorf("%v, want %s", err, backend.TooLate)
	}
	s.options.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ctx, backend.Caller{User: "alice"}, backend.Query{Limit: 1}); backend.FaultOf(err) != backend.Canceled {
		t.Errorf("%v, want %s", err, backend.Canceled)
	}
}

func TestAppDown(t *testing.T) {
	u, _ := url.Parse("http://127.0.0.1:1")
	s := New(Options{URL: u, Timeout: 5 * time.Second})
	_, err := s.Read(t.Context(), backend.Caller{User: "alice", Token: "secret"}, backend.Query{Limit: 1})
	if backend.FaultOf(err) != backend.BadAnswer || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v is %q", err, backend.FaultOf(err))
	}
}

// Cursors are judged by the clock that dates the rows.
func TestTheAppsClockDecides(t *testing.T) {
	date := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		w.Write([]byte(`{"notifications":[{"id":"a","created_at":"2001-01-01 00:00:00"}]}`))
	}))
	c, _ := backend.Open(read(t, s, backend.Query{Limit: 1}).Place, "alice")
	if c.Settled {
		t.Error("settled by our clock, though the item is new by the app's")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"notifications":[{"id":"a","user_id":"alice","created_at":"2026-11-24 08:00:00","context":"{\"a\":1}"}]}`))
	f.Add([]byte(`{"notifications":[{"id":"a","created_at":"2026-11-24T08:00:00Z","context":{"a":1},"expires_at":null}]}`))
	f.Add([]byte(`{"notifications":[]}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := parse(body, "alice")
		if err != nil {
			return
		}
		for _, n := range rows {
			if n.ID == "" || len(n.ID) > backend.MaxIDLength {
				t.Errorf("id %q", n.ID)
			}
			var object map[string]any
			if err := json.Unmarshal(n.Context, &object); err != nil {
				t.Errorf("context %s: %v", n.Context, err)
			}
			if _, err := n.MarshalJSON(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A row that the answer does not have yet may become visible while the app is
// still at it; when it is dated proves nothing of that time.
func TestASlowAnswerSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		created := time.Now().UTC().Truncate(time.Second)
		pipes := servertest.NewPipes()
		app := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(1100 * time.Millisecond)
			w.Header().Set("Date", created.Add(LookBack+time.Second).Format(http.TimeFormat))
			fmt.Fprintf(w, `{"notifications":[{"id":"a","created_at":%q}]}`, created.Format(backend.LegacyTime))
		})}
		go app.Serve(pipes)
		defer app.Close()
		s := New(Options{URL: &url.URL{Scheme: "http", Host: "app"}, Name: "access_token", Timeout: 5 * time.Second})
		s.client.Transport = &http.Transport{DialContext: pipes.Dial}
		defer s.Close()
		place := read(t, s, backend.Query{Limit: 50}).Place
		if c, ok := backend.Open(place, "alice"); !ok || c.Settled {
			t.Errorf("%+v: when the app read, the look-back was not over", c)
		}
	})
}
