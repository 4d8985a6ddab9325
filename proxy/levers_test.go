package proxy

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// roomState is what the control room tells of.
type roomState struct {
	Created           []string
	Transport, Stream string
	Parts             map[string]struct {
		Running bool
		Absent  string
	}
	Figures map[string]float64
}

func (v *visitor) state() (s roomState) {
	v.t.Helper()
	status, body := v.do(http.MethodGet, "/_demo/state?after=0", nil)
	if err := json.Unmarshal([]byte(body), &s); err != nil || status != http.StatusOK {
		v.t.Fatalf("state: %d %s %v", status, body, err)
	}
	return s
}

// move moves a lever; fields are names and values.
func (v *visitor) move(path string, fields ...string) {
	v.t.Helper()
	form := url.Values{}
	for ; len(fields) > 1; fields = fields[2:] {
		form.Set(fields[0], fields[1])
	}
	if status, body := v.do(http.MethodPost, path, form); status != http.StatusNoContent {
		v.t.Errorf("%s %v: %d %s", path, form, status, body)
	}
}

func (v *visitor) turn(part, to string) {
	v.t.Helper()
	v.move("/_demo/parts", "part", part, "to", to)
	if got := v.state().Parts[part].Running; got != (to == "running") {
		v.t.Errorf("%s %s: running is %v", part, to, got)
	}
}

func (v *visitor) create(text string) {
	v.t.Helper()
	if status, body := v.do(http.MethodPost, "/jobs", url.Values{"text": {text}}); status != http.StatusAccepted {
		v.t.Fatalf("start a job: %d %s", status, body)
	}
	servertest.Eventually(v.t, "a poll brings "+text, func() bool {
		_, body := v.do(http.MethodGet, "/api/notifications", nil)
		return strings.Contains(body, text)
	})
}

func TestDemoStopsTheApp(t *testing.T) {
	p, gateway, app, _, _ := startDemo(t)
	alice := signIn(t, gateway, "alice")
	alice.create("before")
	for range 2 { // to stop what is stopped is no fault
		alice.turn("app", "stopped")
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(app, "http://")); err == nil {
		conn.Close()
		t.Error("the app still listens")
	}
	for path, want := range map[string]int{"/dashboard/old": 502, "/": 200, "/_demo/room.js": 200, "/api/notifications": 200} {
		if status, _ := alice.do(http.MethodGet, path, nil); status != want {
			t.Errorf("%s while it is stopped: %d, want %d", path, status, want)
		}
	}
	alice.turn("app", "running")
	if status, body := signIn(t, app, "alice").do(http.MethodGet, "/api/notifications", nil); status != 200 || !strings.Contains(body, "before") {
		t.Errorf("the app, back at its address: %d %s", status, body)
	}
	alice.create("after")
	if s := alice.state(); len(s.Created) != 2 || s.Figures["polls"] < 2 || s.Figures["reads"] < 1 {
		t.Errorf("%+v", s)
	}
	alice.turn("app", "stopped") // the demo ends as well without its app
	if status := p.stopped(); status != 0 || p.stderr.String() != "" {
		t.Errorf("ended with %d: %s", status, p.stderr.String())
	}
}

// When a lever has moved, what it moved is there: its port may be somebody else's by now.
func TestDemoAppCannotComeBack(t *testing.T) {
	_, gateway, app, _, _ := startDemo(t)
	alice := signIn(t, gateway, "alice")
	alice.turn("app", "stopped")
	taken, err := net.Listen("tcp", strings.TrimPrefix(app, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	start := url.Values{"part": {"app"}, "to": {"running"}}
	if status, body := alice.do(http.MethodPost, "/_demo/parts", start); status != 500 || !strings.Contains(body, "address already in use") {
		t.Errorf("on a port that is taken: %d %s", status, body)
	}
	if alice.state().Parts["app"].Running {
		t.Error("it is said to run")
	}
	taken.Close()
	alice.turn("app", "running")
}

func TestDemoStopsRedis(t *testing.T) {
	p, gateway, _, admin, _ := startDemo(t)
	alice := signIn(t, gateway, "alice")
	alice.create("before")
	for _, to := range []string{"stopped", "stopped", "running", "running", "stopped", "running"} {
		alice.turn("redis", to)
		down := to == "stopped"
		servertest.Eventually(t, "the gateway notices that Redis is "+to, func() bool {
			return strings.Contains(fetch(t, admin+"/readyz", "").body, "Redis is down") == down
		})
		alice.create("while Redis is " + to)
	}
	if status := p.stopped(); status != 0 || p.stderr.String() != "" {
		t.Errorf("ended with %d: %s", status, p.stderr.String())
	}
}

// It needs no Redis, and says why there is none.
func TestDemoWithoutRedis(t *testing.T) {
	broken := t.TempDir()
	script := "#!/bin/sh\necho it starts\necho no luck\n"
	if err := os.WriteFile(filepath.Join(broken, "redis-server"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		t.TempDir(): "No redis-server on PATH: the cache is in memory.",
		broken:      "redis-server ended: no luck: the cache is in memory.",
	} {
		t.Setenv("PATH", path)
		p, gateway, _, admin, _ := startDemo(t)
		alice := signIn(t, gateway, "alice")
		if redis := alice.state().Parts["redis"]; redis.Running || redis.Absent != why {
			t.Errorf("%+v, want %s", redis, why)
		}
		start := url.Values{"part": {"redis"}, "to": {"running"}}
		if status, body := alice.do(http.MethodPost, "/_demo/parts", start); status != 500 || !strings.Contains(body, why) {
			t.Errorf("start it: %d %s", status, body)
		}
		alice.create("all the same")
		if reply := fetch(t, admin+"/readyz", ""); !strings.Contains(reply.body, `"cache":"ok"`) {
			t.Errorf("the cache: %s", reply.body)
		}
		if status := p.stopped(); status != 0 || !strings.Contains(p.stdout.String(), "Redis     "+why+"\n") {
			t.Errorf("ended with %d: %s%s", status, p.stdout.String(), p.stderr.String())
		}
	}
}

func TestDemoFlags(t *testing.T) {
	p, gateway, _, _, flags := startDemo(t)
	alice, bob := signIn(t, gateway, "alice"), signIn(t, gateway, "bob")
	stands := func(v *visitor, transport, stream string) {
		t.Helper()
		if s := v.state(); s.Transport != transport || s.Stream != stream {
			t.Fatalf("%s %s, want %s %s", s.Transport, s.Stream, transport, stream)
		}
	}
	polled := func(v *visitor) bool {
		_, body := v.do(http.MethodGet, "/api/notifications", nil)
		return strings.Contains(body, "cursor")
	}
	stands(alice, "poll", "bridge")
	alice.move("/_demo/flags", "transport", "sse", "stream", "retired")
	stands(alice, "sse", "retired")
	if status, _ := alice.do(http.MethodGet, "/api/stream", nil); status != http.StatusNoContent || polled(alice) {
		t.Errorf("alice: the stream is %d, polls are Sluice's: %v", status, polled(alice))
	}
	stands(bob, "sse", "upstream")
	if got := bob.stream(": heartbeat"); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("bob: %s", got)
	}

	// People may edit the file as well, and the levers respect what they did.
	text := `{"flags": {"notifications-transport": {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "poll"}}}`
	if err := os.WriteFile(flags, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the edit is in force", func() bool { return bob.state().Transport == "poll" })
	alice.move("/_demo/flags", "transport", "sse", "stream", "bridge")
	stands(alice, "sse", "bridge")
	stands(bob, "poll", "upstream")
	if !polled(bob) || polled(alice) {
		t.Errorf("polls of bob %v, of alice %v", polled(bob), polled(alice))
	}
	if status := p.stopped(); status != 0 || p.stderr.String() != "" {
		t.Errorf("ended with %d: %s", status, p.stderr.String())
	}
}
