package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// requestLines are the lines about requests that say this.
func requestLines(logs *observer.ObservedLogs, field string, value any) int {
	return logs.FilterMessage("request").Filter(func(e observer.LoggedEntry) bool { return e.ContextMap()[field] == value }).Len()
}

// logLines waits for n lines about requests to a path.
func (r *rig) logLines(path string, n int) (lines []map[string]any) {
	r.t.Helper()
	servertest.Eventually(r.t, fmt.Sprintf("%d log lines about %s", n, path), func() bool {
		lines = nil
		for _, e := range r.logs.FilterMessage("request").All() {
			if fields := e.ContextMap(); fields["path"] == path {
				lines = append(lines, fields)
			}
		}
		return len(lines) >= n
	})
	if len(lines) > n {
		r.t.Errorf("%d lines about %d requests to %s", len(lines), n, path)
	}
	return lines
}

func (r *rig) logLine(path string) map[string]any {
	r.t.Helper()
	return r.logLines(path, 1)[0]
}

func TestOneLineARequest(t *testing.T) {
	r := newRig(t, withFlags(t, "poll", "bridge"), func(c *config.Config) {
		c.Compat.MaxDuration, c.Compat.OldPageDuration = time.Millisecond, time.Millisecond
	})
	r.insert("alice", time.Minute, "a")
	for path, c := range map[string]struct {
		query, user string
		status      int64
		outcome     string
		known       bool // whether the line names the user
	}{
		"/api/notifications": {"?limit=5", "alice", 200, "poll: items", true},
		"/api/stream":        {"", "alice", 200, "stream: bridge", true},
		"/_sluice/client.js": {"", "", 200, "script", false},
		"/_sluice/config":    {"", "alice", 200, "config", true},
		"/some/page":         {"?x=1", "alice", 200, "passed", false}, // whose it is, the app decides
	} {
		reply := r.get(c.user, path+c.query)
		line := r.logLine(path)
		if line["status"] != c.status || line["outcome"] != c.outcome || line["method"] != "GET" || line["bytes"] != int64(len(reply.body)) {
			t.Errorf("%s: %v", path, line)
		}
		if _, ok := line["took"]; !ok {
			t.Errorf("%s: no duration", path)
		}
		if user, ok := line["user"]; ok != c.known || ok && user != c.user {
			t.Errorf("%s: user %v", path, user)
		}
	}
	r.get("alice", "/api/notifications?limit=abc")
	if line := r.logLines("/api/notifications", 2)[1]; line["status"] != int64(422) || line["outcome"] != "poll: refused" || line["error"] != "limit: want a whole number" {
		t.Errorf("%v", line)
	}
}

// Neither a query nor a credential is ever written down, good or bad.
func TestLogsKeepSecrets(t *testing.T) {
	r := newRig(t, withFlags(t, "poll", "bridge"))
	token := tokenFor(t, "alice")
	forged := token[:len(token)-6] + "FORGED"
	targets := []string{"/api/notifications?after_id=SECRET1", "/api/notifications?limit=SECRET2", "/api/stream?token=SECRET3", "/page?token=SECRET4", "/_sluice/config?x=SECRET5"}
	for _, target := range targets {
		for _, header := range []string{"Cookie: access_token=" + forged, "Authorization: Bearer " + forged, "Authorization: Bearer SECRET6", "Cookie: access_token=SECRET7.SECRET8.SECRET9; b=SECRET0"} {
			for _, client := range []string{"", "0.1.0"} {
				get(t, r.public.URL+target, header, "Sluice-Client: "+client)
			}
		}
	}
	get(t, r.public.URL+targets[0], "Cookie: access_token="+token)
	get(t, r.public.URL+targets[3], "Cookie: access_token="+token)
	r.logLines("/page", 9)
	for _, line := range encoded(t, r.logs) {
		for _, secret := range []string{"SECRET", "FORGED", token, token[strings.LastIndex(token, "."):], "?"} {
			if strings.Contains(line, secret) {
				t.Errorf("%s is in the log: %s", secret, line)
			}
		}
	}
}

// get asks and only waits for the answer's header.
func get(t *testing.T, url string, headers ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// encoded is the log as it would be written.
func encoded(t *testing.T, logs *observer.ObservedLogs) (lines []string) {
	t.Helper()
	e := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range logs.All() {
		b, err := e.EncodeEntry(entry.Entry, entry.Context)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, b.String())
	}
	return lines
}

// A fault in a handler is a 500, or a broken connection once the answer has
// begun: a client must not take half an answer for a whole one.
func TestPanics(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	server := httptest.NewServer(recording(func(w *recorder, r *http.Request) {
		if r.URL.Path == "/late" {
			io.WriteString(w, "half an answer")
			w.Flush()
		}
		panic("a fault")
	}, zap.New(core), new(atomic.Bool), func() int { return 1 }))
	defer server.Close()
	early := fetch(t, server.URL+"/early", "")
	if early.status != http.StatusInternalServerError || !strings.Contains(early.body, `"detail":"internal error"`) {
		t.Errorf("%d %s", early.status, early.body)
	}
	resp, err := http.Get(server.URL + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", body, err)
	}
	if n := logs.FilterMessage("panic").FilterField(zap.Any("panic", "a fault")).Len(); n != 2 {
		t.Errorf("%d panics logged", n)
	}
	if n := requestLines(logs, "outcome", "panic"); n != 2 {
		t.Errorf("%d requests logged", n)
	}
}

// Polls that bring nothing are most of what there is, and nobody looks for one of them.
func TestRoutinePollsAreLoggedNowAndThen(t *testing.T) {
	r := newRig(t, withFlags(t, "poll", "bridge"), func(c *config.Config) { c.Limits.PollRate, c.Limits.PollBurst = 0.001, 200 })
	r.insert("alice", time.Minute, "a")
	place := "/api/notifications?after_id=" + r.get("alice", "/api/notifications").page(t).Cursor
	r.logLine("/api/notifications") // what brings something has its line
	lines := func(oneIn, polls int) int {
		next := *r.gateway.live.Load()
		next.Log.PollRatio = oneIn
		r.gateway.apply(next)
		r.logs.TakeAll()
		for range polls {
			r.get("alice", place)
		}
		r.get("alice", "/last")
		r.logLine("/last")
		return requestLines(r.logs, "one_in", int64(oneIn))
	}
	if n := lines(1, 5); n != 5 {
		t.Errorf("one in 1: %d lines about 5 polls", n)
	}
	if n := lines(0, 5); n != 0 {
		t.Errorf("one in 0: %d lines", n)
	}
	if n := lines(2, 300); n < 90 || n > 210 { // seven standard deviations
		t.Errorf("one in 2: %d lines about 300 polls, the last ones throttled", n)
	}
	if n := requestLines(r.logs, "outcome", "poll: throttled"); n < 20 {
		t.Errorf("%d lines about 111 throttled polls", n)
	}
}

// 499 is nginx's word for a client that did not wait.
func TestClientsThatDoNotWait(t *testing.T) {
	reached := make(chan struct{}, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	}))
	defer app.Close()
	r := newRig(t, func(c *config.Config) {
		c.Store.Driver, c.Store.DSN, c.Upstream.URL = "upstream", config.Secret{}, app.URL
	})
	for _, path := range []string{"/page", "/api/notifications"} {
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.public.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, "alice")})
		go func() { <-reached; leave() }()
		if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v", path, err)
		}
		if line := r.logLine(path); line["status"] != int64(499) {
			t.Errorf("%s: %v", path, line)
		}
	}
	servertest.Eventually(t, "the read counts as cancelled", func() bool {
		return r.counts(`source_requests_total{outcome="canceled",source="upstream"} 1`)
	})
}
