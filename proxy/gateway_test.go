package proxy

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/backend"
	"sluice/proxy/config"
)

const testKey = "the app's key, of 32 bytes at least"

// rig is a gateway in this process, over an SQLite file, before an app that only
// says what it was asked.
type rig struct {
	t       *testing.T
	gateway *Gateway
	db      *sql.DB
	logs    *observer.ObservedLogs
	public  *httptest.Server
	flags   string
}

func newRig(t *testing.T, change ...func(*config.Config)) *rig {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the app: %s %s", r.Method, r.RequestURI)
	}))
	r := &rig{t: t, flags: filepath.Join(t.TempDir(), "flags.json")}
	path := filepath.Join(t.TempDir(), "app.db")
	r.db = createAppTables(t, path)
	c := config.Default()
	c.Upstream.URL = app.URL
	c.Store.Driver, c.Store.DSN = "sqlite", config.NewSecret(path)
	c.Auth.Key = config.NewSecret(testKey)
	c.Cache.StalenessBound = 0 // an item is seen by the next poll
	c.Cache.AuditRatio = 0     // audits come by chance
	c.Limits.PollRate = 0      // tests are in a hurry
	for _, f := range change {
		f(&c)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	g, err := New(c, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	r.gateway, r.logs, r.public = g, logs, newServer(g)
	t.Cleanup(func() {
		g.bridge.Drain()
		r.public.Close()
		app.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// newServer serves as the program does.
func newServer(g *Gateway) *httptest.Server {
	s := httptest.NewUnstartedServer(g.Handler())
	polls := g.onFastPath(s.Listener)
	s.Listener, s.Config.ConnState = polls, polls.ConnState
	s.Start()
	return s
}

func createAppTables(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(`PRAGMA journal_mode = WAL;
		CREATE TABLE notifications(id TEXT PRIMARY KEY, user_id TEXT, event_id TEXT, level TEXT, title TEXT, text TEXT, context TEXT, created_at TEXT, expires_at TEXT);
		CREATE TABLE notification_deliveries(id TEXT PRIMARY KEY, user_id TEXT, notification_id TEXT, delivered_at TEXT, seen_at TEXT, dismissed_at TEXT)`); err != nil {
		t.Fatal(err)
	}
	return db
}

// withFlags puts everybody on these sides.
func withFlags(t *testing.T, transport, stream string) func(*config.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flags.json")
	content := fmt.Sprintf(`{"flags":{
		"notifications-transport":{"state":"ENABLED","variants":{"sse":"sse","poll":"poll"},"defaultVariant":%q},
		"legacy-stream":{"state":"ENABLED","variants":{"upstream":"upstream","bridge":"bridge","retired":"retired"},"defaultVariant":%q}}}`, transport, stream)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Rollout.Flags = path }
}

func (r *rig) insert(user string, ago time.Duration, ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		if _, err := r.db.Exec(`INSERT INTO notifications VALUES (?,?,NULL,'info','T','x','{"job_id":"7"}',?,NULL)`,
			id, user, time.Now().Add(-ago).UTC().Format(backend.LegacyTime)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// expiry is the same for all tokens: a token that differs is another browser.
var expiry = time.Now().Add(time.Hour).Unix()

func tokenFor(t testing.TB, user string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user_id": user, "exp": expiry}).SignedString([]byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type reply struct {
	status int
	header http.Header
	body   string
}

// get asks as a user, or as nobody; headers are name: value.
func (r *rig) get(user, target string, headers ...string) reply {
	r.t.Helper()
	return fetch(r.t, r.public.URL+target, user, headers...)
}

func fetch(t *testing.T, url, user string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, user)})
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// page is a poll's answer as a client reads it.
type page struct {
	Notifications []struct {
		ID        string          `json:"id"`
		Context   json.RawMessage `json:"context"`
		CreatedAt time.Time       `json:"created_at"`
	}
	Cursor  string
	HasMore bool `json:"has_more"`
	Reset   bool
}

func (r reply) page(t *testing.T) page {
	t.Helper()
	var p page
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return p
}
