package demo

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testLevers remember what was moved.
type testLevers struct {
	moved   []string
	running map[string]bool
	absent  string // why there is no Redis
	stuck   error
}

func (l *testLevers) Part(name string) (bool, string) {
	if name == "redis" {
		return l.running[name], l.absent
	}
	return l.running[name], ""
}

func (l *testLevers) Turn(name string, on bool) error {
	l.moved = append(l.moved, map[bool]string{true: "start ", false: "stop "}[on]+name)
	return l.stuck
}

func (l *testLevers) Flags(user string) (transport, stream string) { return "poll", "of " + user }

func (l *testLevers) SetFlags(user, transport, stream string) error {
	l.moved = append(l.moved, strings.Join([]string{user, transport, stream}, " "))
	return l.stuck
}

func (l *testLevers) Figures() map[string]float64 { return map[string]float64{"polls": 7} }

// newRoom is a room before an app, without a gateway between them.
func newRoom(t *testing.T) (*Room, *App, *testLevers) {
	t.Helper()
	database := filepath.Join(t.TempDir(), "app.db")
	a, err := New(database, testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	levers := &testLevers{running: map[string]bool{"app": true}, absent: "none here"}
	r, err := NewRoom(database, testKey, levers, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, a, levers
}

// ask asks the room as a browser of alice would; body is a form.
func ask(t *testing.T, room http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := request(t, method, target, "alice", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	room.ServeHTTP(w, r)
	return w
}

func TestRoomIsThereWithoutTheApp(t *testing.T) {
	room, app, _ := newRoom(t)
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	if w := ask(t, room, "GET", "/dashboard/old", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("the app: %d", w.Code)
	}
	for path, want := range map[string]string{
		"/": `id="old"`, "/_demo/room.js": "watch", "/_demo/room.css": "iframe", "/_demo/state?after=0": `"user":"alice"`,
	} {
		if w := ask(t, room, "GET", path, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d without %s", path, w.Code, want)
		}
	}
	w := ask(t, room, "POST", "/_demo/person", "user=bob")
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 2 {
		t.Errorf("another person: %d %v", w.Code, w.Result().Cookies())
	}
}

// One click on a person: the start page offers them, and what they get signs in at the app too.
func TestRoomAdmits(t *testing.T) {
	room, app, _ := newRoom(t)
	w := httptest.NewRecorder()
	room.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, user := range users {
		if !strings.Contains(w.Body.String(), `name="user" value="`+user+`"`) {
			t.Errorf("%s is not offered", user)
		}
	}
	if strings.Contains(w.Body.String(), "iframe") {
		t.Error("there is a room for nobody")
	}
	w = ask(t, room, "POST", "/_demo/person", "user=carol")
	r := httptest.NewRequest("GET", "/auth/me", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	if got := answer(app, r).Body.String(); got != `{"user_id":"carol"}` {
		t.Errorf("at the app: %s", got)
	}
	if w := ask(t, room, "POST", "/_demo/person", "user=mallory"); w.Code != http.StatusBadRequest {
		t.Errorf("mallory: %d", w.Code)
	}
}

func TestRoomState(t *testing.T) {
	room, app, _ := newRoom(t)
	put(t, app, "before", 1)
	begin := regexp.MustCompile(`data-newest="(\d+)"`).FindStringSubmatch(ask(t, room, "GET", "/", "").Body.String())[1]
	put(t, app, "later", 0) // an earlier time: the order of writing counts
	exec(t, app, `INSERT INTO notifications (id, user_id) VALUES ('another''s', 'bob')`)
	put(t, app, "last", 2)
	want := roomState{
		User: "alice", Created: []string{"later", "last"}, Newest: 4, Transport: "poll", Stream: "of alice",
		Parts:   map[string]partState{"app": {Running: true}, "redis": {Absent: "none here"}},
		Figures: map[string]float64{"polls": 7},
	}
	for _, after := range []string{begin, "4"} {
		var got roomState
		decode(t, ask(t, room, "GET", "/_demo/state?after="+after, "").Body, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		want.Created = []string{}
	}
	if w := ask(t, room, "GET", "/_demo/state", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("after nothing: %d", w.Code)
	}
	w := httptest.NewRecorder()
	room.ServeHTTP(w, httptest.NewRequest("GET", "/_demo/state?after=0", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("for nobody: %d", w.Code)
	}
}

func TestRoomLevers(t *testing.T) {
	for _, c := range []struct {
		path, form, moved string
		status            int
	}{
		{"/_demo/flags", "transport=sse&stream=retired", "alice sse retired", 204},
		{"/_demo/flags", "transport=sse&stream=gone", "", 422},
		{"/_demo/flags", "stream=bridge", "", 422},
		{"/_demo/parts", "part=app&to=stopped", "stop app", 204},
		{"/_demo/parts", "part=redis&to=running", "start redis", 204},
		{"/_demo/parts", "part=gateway&to=stopped", "", 422},
		{"/_demo/parts", "part=app&to=", "", 422},
		{"/_demo/nothing", "", "", 404},
	} {
		room, _, levers := newRoom(t)
		w := ask(t, room, "POST", c.path, c.form)
		if got := strings.Join(levers.moved, ", "); w.Code != c.status || got != c.moved {
			t.Errorf("%s %s: %d, moved %q; want %d, %q", c.path, c.form, w.Code, got, c.status, c.moved)
		}
	}
}

// A lever that does not move says why; it is the demo of whoever reads it.
func TestRoomLeversStick(t *testing.T) {
	room, _, levers := newRoom(t)
	levers.stuck = errors.New("the port is taken")
	for path, form := range map[string]string{"/_demo/flags": "transport=sse&stream=bridge", "/_demo/parts": "part=app&to=running"} {
		if w := ask(t, room, "POST", path, form); w.Code != 500 || w.Body.String() != `{"detail":"the port is taken"}` {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// Any page may send a browser here: only the room's own may move anything.
func TestRoomRefusesOtherSites(t *testing.T) {
	room, _, levers := newRoom(t)
	moves := map[string]string{
		"/_demo/flags": "transport=sse&stream=bridge", "/_demo/parts": "part=app&to=stopped", "/_demo/person": "user=bob",
	}
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://evil.example", "Origin: null"} {
		for path, form := range moves {
			if w := ask(t, room, "POST", path, form, header); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s, %s: %d", path, header, w.Code)
			}
		}
	}
	for _, path := range []string{"/_demo/flags", "/_demo/parts"} { // nor may nobody
		w := httptest.NewRecorder()
		room.ServeHTTP(w, httptest.NewRequest("POST", path, nil))
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s by nobody: %d", path, w.Code)
		}
	}
	if levers.moved != nil {
		t.Errorf("moved: %v", levers.moved)
	}
	if w := ask(t, room, "POST", "/_demo/parts", moves["/_demo/parts"], "Sec-Fetch-Site: same-origin"); w.Code != http.StatusNoContent {
		t.Errorf("its own page: %d", w.Code)
	}
	if policy := ask(t, room, "GET", "/", "").Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("others may frame it: %s", policy)
	}
}

// In a frame a page is what it is elsewhere, and one line more; and there is no room in the room.
func TestFramedPages(t *testing.T) {
	room, app, _ := newRoom(t)
	for _, path := range []string{"/dashboard/old", "/dashboard/new", "/dashboard/jobs/none", "/"} {
		plain, framed := get(t, app, path, "alice"), ask(t, room, "GET", path, "", "Sec-Fetch-Dest: iframe")
		if want := strings.Replace(plain.Body.String(), "<head>", watchTag, 1); framed.Body.String() != want || framed.Code != plain.Code {
			t.Errorf("%s: %d %s", path, framed.Code, framed.Body)
		}
		if !strings.HasPrefix(framed.Body.String(), "<!doctype html>\n<html lang=\"en\">\n"+watchTag) {
			t.Errorf("%s: not before everything else: %.200s", path, framed.Body)
		}
	}
	if w := ask(t, room, "GET", "/dashboard/old", ""); strings.Contains(w.Body.String(), watchTag) {
		t.Error("a tab of its own is changed")
	}
	if w := ask(t, room, "GET", "/healthz", "", "Sec-Fetch-Dest: iframe"); w.Body.String() != `{"status":"ok"}` {
		t.Errorf("what is no page: %s", w.Body)
	}
}

// A length that the gateway passes on would cut the page off.
func TestFramedPagesHaveNoForeignLength(t *testing.T) {
	const page = "<html><head><title>x</title></head></html>"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveFramed(w, r, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", "42")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte(page[:10])) // in pieces, as they come from a network
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte(page[10:]))
		}))
	}))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := strings.Replace(page, "<head>", watchTag, 1); err != nil || string(body) != want {
		t.Errorf("%v %s", err, body)
	}
}

// What is not the room's reaches the gateway as it came.
func TestRoomPassesOn(t *testing.T) {
	room, _, _ := newRoom(t)
	var seen []string
	room.gateway = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.RequestURI)
	})
	want := []string{"POST /login", "GET //a/../b", "GET /_demos", "GET /api/stream?x", "POST /jobs"}
	for _, route := range want {
		method, target, _ := strings.Cut(route, " ")
		ask(t, room, method, target, "", "Sec-Fetch-Site: cross-site")
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestRoomAssetsStayHere(t *testing.T) {
	room, _, _ := newRoom(t)
	for path, kind := range map[string]string{"/_demo/room.js": "text/javascript; charset=utf-8", "/_demo/room.css": "text/css; charset=utf-8", "/": "text/html; charset=utf-8"} {
		w := ask(t, room, "GET", path, "")
		if w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %s", path, w.Header().Get("Content-Type"))
		}
		if found := regexp.MustCompile(`https?://\w|url\(|@import|innerHTML|eval\(`).FindString(w.Body.String()); found != "" {
			t.Errorf("%s contains %s", path, found)
		}
	}
}
