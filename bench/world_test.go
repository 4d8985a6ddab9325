package bench

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"sluice/bench/lab"
	"sluice/internal/servertest"
)

const (
	key = "a key of the benchmark, longer than HS256 needs"
	// emptyPoll is what nothing new looks like.
	emptyPoll = `{"notifications":[]}`
	pollPath  = "/api/notifications"
)

// app is the app's database, with one item for each of its users.
type app struct {
	path  string
	db    *sql.DB
	users int
}

// newApp makes a database as the legacy app has it, with Sluice's indexes.
func newApp(t testing.TB, users int) *app {
	t.Helper()
	a := &app{path: filepath.Join(t.TempDir(), "app.db"), users: users}
	var err error
	if a.db, err = sql.Open("sqlite", "file:"+a.path+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)&_pragma=busy_timeout(5000)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.db.Close() })
	a.must(t, `SELECT 1`) // makes the file
	migrate := servertest.StartProcess(t, a.environ(), lab.Program("sluice"), "migrate")
	if migrate.Status() != 0 {
		t.Fatal(migrate.Stderr.String())
	}
	a.must(t, `WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i + 1 < $1)
		INSERT INTO notifications(id, user_id, level, title, text, created_at)
		SELECT lower(hex(randomblob(16))), 'user-' || i, 'info', 'Report', 'Report ready', datetime('now', '-2 hours') FROM g`, users)
	return a
}

func (a *app) must(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := a.db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (a *app) environ() []string {
	return []string{"SLUICE_STORE_DRIVER=sqlite", "SLUICE_STORE_DSN=" + a.path, "SLUICE_AUTH_KEY=" + key}
}

// node is a program under test, or one behind it.
type node struct {
	*servertest.Process
	url   string
	admin string // Sluice's
}

// serve starts the gateway as it comes, on the server's core, but for a limit per user: a
// benchmark's few users poll more often than people's tabs.
func (a *app) serve(t testing.TB, environ ...string) node {
	t.Helper()
	listen, admin := address(t), address(t)
	all := slices.Concat(a.environ(), []string{
		"SLUICE_LISTEN=" + listen, "SLUICE_ADMIN_LISTEN=" + admin, "SLUICE_LIMITS_POLL_RATE=1000", "SLUICE_LIMITS_POLL_BURST=10000",
	}, environ)
	s := node{lab.Start(t, lab.ServerCore, all, lab.Program("sluice"), "serve"), "http://" + listen, "http://" + admin}
	lab.Answers(t, s.admin+"/readyz")
	return s
}

// peer starts one of the peers on a core.
func peer(t testing.TB, core string, args ...string) node {
	t.Helper()
	listen := address(t)
	s := node{Process: lab.Start(t, core, nil, lab.Program("peers"), append([]string{"-listen", listen}, args...)...), url: "http://" + listen}
	lab.Answers(t, s.url)
	return s
}

func address(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(servertest.FreePort(t))
}

// cookie is that of somebody who is signed in.
func cookie(t testing.TB, user string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user_id": user, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return "access_token=" + token
}

// polls are those of so many users who have seen everything, each with the place that
// the gateway gave them.
func polls(t testing.TB, gateway node, users int) lab.Requests {
	t.Helper()
	r := lab.Requests{Base: gateway.url, Body: emptyPoll}
	for i := range users {
		c := cookie(t, "user-"+strconv.Itoa(i))
		var page struct{ Cursor string }
		if body := get(t, gateway.url+pollPath, c); json.Unmarshal([]byte(body), &page) != nil || page.Cursor == "" {
			t.Fatalf("the first poll of user-%d got no place: %s", i, body)
		}
		r.Each = append(r.Each, lab.Request{Target: pollPath + "?after_id=" + page.Cursor, Cookie: c})
	}
	return r
}

// of is the same requests to another server.
func of(r lab.Requests, s node) *lab.Requests {
	return &lab.Requests{Base: s.url, Each: r.Each, Body: r.Body}
}

// get asks once, and expects 200.
func get(t testing.TB, url, cookie string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", url, resp.StatusCode, body, err)
	}
	return string(body)
}

// counter reads one of the gateway's metrics, as it stands in the exposition.
func (s node) counter(t testing.TB, series string) (value float64) {
	t.Helper()
	for line := range strings.Lines(get(t, s.admin+"/metrics", "")) {
		if n, err := fmt.Sscanf(line, series+" %g", &value); n == 1 && err == nil {
			return value
		}
	}
	return 0
}
