package after

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"sluice/client"
)

// browserOnly is how many points nobody can tell without a browser.
const browserOnly = 7

// A deployment in good order: all that can be told holds.
func TestGood(t *testing.T) {
	r := Verify(t.Context(), goodDeployment().start(t))
	if !r.Sluice || r.Count(OK) != len(list)-browserOnly || r.Count(Unknown) != browserOnly {
		t.Errorf("%+v", r)
	}
}

// Each point that does not hold is found, and nothing else is said to be wrong.
func TestFailures(t *testing.T) {
	endpoint := func(f http.HandlerFunc) deployment { return deployment{"/api/notifications": signedIn(f)} }
	// instead answers a query otherwise.
	instead := func(key, value string, f http.HandlerFunc) deployment {
		return endpoint(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue(key) == value {
				f(w, r)
				return
			}
			notifications(w, r)
		})
	}
	page := func(html string) deployment { return deployment{"/dashboard": says("text/html", html)} }
	scrape := func(from, to string) deployment { return deployment{"/metrics": metrics(from, to)} }
	polls := 0
	for name, c := range map[string]struct {
		broken deployment
		point  string
		want   string
	}{
		"the app is down":    {endpoint(status(502)), "endpoint", "502 Bad Gateway"},
		"another credential": {endpoint(status(401)), "endpoint", "refuses the token: 401"},
		"a login page":       {endpoint(says("text/html", "<form>")), "endpoint", `Content-Type "text/html"`},
		"not JSON":           {endpoint(says("application/json", "[]")), "endpoint", "right form"},
		"no notifications":   {endpoint(says("application/json", `{"items":[]}`)), "endpoint", `without "notifications"`},
		"no id":              {endpoint(says("application/json", `{"notifications":[{"level":"info","created_at":"2026-11-25T10:00:09Z"}]}`)), "endpoint", "without id"},
		"another time":       {endpoint(says("application/json", `{"notifications":[{"id":"a","level":"info","created_at":"yesterday"}]}`)), "endpoint", "created_at"},
		"to be cached": {endpoint(func(w http.ResponseWriter, r *http.Request) {
			notifications(uncached{w}, r)
		}), "endpoint", `Cache-Control is "max-age=5"`},
		"a redirect":                {endpoint(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/dashboard", http.StatusFound) }), "endpoint", "302 Found"},
		"more than asked for":       {instead("limit", "2", func(w http.ResponseWriter, _ *http.Request) { show(w, rows, 3) }), "endpoint", "limit=2 brought 3"},
		"oldest first":              {instead("limit", "2", func(w http.ResponseWriter, _ *http.Request) { show(w, []string{rows[2], rows[0]}, 2) }), "endpoint", "200 with the oldest first"},
		"after_id brings the older": {instead("after_id", "b", func(w http.ResponseWriter, _ *http.Request) { show(w, rows[2:], 2) }), "after_id", "the newest does not come"},
		"after_id is ignored":       {instead("after_id", "c", func(w http.ResponseWriter, _ *http.Request) { show(w, rows, 2) }), "after_id", "the one before it comes"},
		"after_id is refused":       {instead("after_id", "c", status(422)), "after_id", "422"},
		"a large limit":             {instead("limit", "100000", status(422)), "limit", "limit=100000: 422"},
		"a limit below 1":           {instead("limit", "0", func(w http.ResponseWriter, _ *http.Request) { show(w, rows, 3) }), "limit", "limit=0 brought 3"},
		"a limit that is no number": {instead("limit", "many", func(w http.ResponseWriter, _ *http.Request) { show(w, rows, 3) }), "limit", "limit=many: 200"},
		"open to everybody":         {deployment{"/api/notifications": notifications}, "unauthorized", "200 OK"},
		"a login instead of 401": {deployment{"/api/notifications": func(w http.ResponseWriter, r *http.Request) {
			if _, err := r.Cookie("session"); err != nil {
				http.Redirect(w, r, "/login", http.StatusSeeOther)
				return
			}
			notifications(w, r)
		}}, "unauthorized", "303 See Other"},
		"a cookie": {endpoint(func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "s", Value: "1"})
			notifications(w, r)
		}), "no session", "a poll sets a cookie"},
		"a session": {instead("limit", "2", func(w http.ResponseWriter, _ *http.Request) {
			show(w, rows[polls:], 2)
			polls++
		}), "no session", "something else the second time"},
		"no script":               {deployment{"/_sluice/client.js": status(404)}, "client script", "404"},
		"a script as text":        {deployment{"/_sluice/client.js": says("text/plain", "x")}, "client script", `"text/plain"`},
		"another script":          {deployment{"/_sluice/client.js": says("text/javascript", "alert(1)")}, "client script", "another script"},
		"the old page":            {page(`<script>window.__es = new EventSource('/api/stream')</script>`), "page", "opens an EventSource"},
		"both at once":            {page(`<script src="/_sluice/client.js"></script><script>new EventSource("/api/stream")</script>`), "page", "opens an EventSource"},
		"no such page":            {deployment{"/dashboard": status(404)}, "page", "404"},
		"the app's stream":        {deployment{"/api/stream": says("text/event-stream", ": heartbeat\n\n")}, "old stream", "still holds a stream"},
		"a stream that fails":     {deployment{"/api/stream": status(502)}, "old stream", "502"},
		"no such pipeline":        {deployment{"/api/pipelines/stream": status(404)}, "pipelines", "404"},
		"a pipeline that ends":    {deployment{"/api/pipelines/stream": says("text/event-stream", "")}, "pipelines", "EOF"},
		"old pages":               {scrape("legacy_clients 0", "legacy_clients 12"), "old pages", "about 12 users"},
		"open streams":            {scrape("compat_streams 0", "compat_streams 3"), "open streams", "holds 3"},
		"reads that fail":         {scrape(`{outcome="too_late",source="sqlite"} 1`, `{outcome="too_late",source="sqlite"} 2`), "server errors", "2 of 1051"},
		"an item that was hidden": {scrape("false_empty_total 0", "false_empty_total 1"), "server errors", "hidden an item 1 times"},
		"a rollout under way":     {deployment{"/rollout": says("application/json", `{"phase":"aborted","weight":10}`)}, "everybody polls", "aborted at weight 10"},
		"a flag that is disabled": {deployment{"/rollout": says("application/json", `{"phase":"paused","weight":100,"disabled":["legacy-stream"]}`)}, "everybody polls", "legacy-stream is disabled"},
		"a user on sse":           {deployment{"/rollout": status(404), "/_sluice/config": signedIn(says("application/json", `{"transport":"sse"}`))}, "everybody polls", "this user is on sse"},
	} {
		t.Run(name, func(t *testing.T) {
			d := goodDeployment()
			for path, handler := range c.broken {
				d[path] = handler
			}
			r := Verify(t.Context(), d.start(t))
			p := r.point(t, c.point)
			if p.Verdict != Failed || !strings.Contains(p.Found, c.want) || p.Do == "" {
				t.Errorf("%+v, want %s", p, c.want)
			}
			if r.Count(Failed) != 1 {
				t.Errorf("only %s should fail: %+v", c.point, r.Points)
			}
			if text, _ := json.Marshal(r); strings.Contains(string(text), token) {
				t.Errorf("the credential is in the report: %s", text)
			}
		})
	}
}

// uncached is a response that says it may be kept.
type uncached struct{ http.ResponseWriter }

func (u uncached) WriteHeader(code int) { u.ResponseWriter.WriteHeader(code) }

func (u uncached) Write(b []byte) (int, error) {
	u.Header().Set("Cache-Control", "max-age=5")
	return u.ResponseWriter.Write(b)
}

// What cannot be told is said to be so, with what would tell; and what is right in
// another way is right.
func TestOtherVerdicts(t *testing.T) {
	const old = `<script>new EventSource('/api/stream')</script>`
	tie := strings.Replace(rows[1], "09:59:00", "10:00:09", 1)
	near := strings.Replace(rows[1], "09:59:00", "09:59:40", 1)
	// whatever shows the same rows whatever after_id says.
	whatever := func(rows ...string) deployment {
		return deployment{"/api/notifications": signedIn(func(w http.ResponseWriter, r *http.Request) {
			limit, err := strconv.Atoi(r.FormValue("limit"))
			if err != nil {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			show(w, rows, min(max(limit, 1), 100))
		})}
	}
	for name, c := range map[string]struct {
		other  deployment
		change func(*Deployment)
		point  string
		want   Verdict
		found  string
	}{
		"nobody":               {nil, func(d *Deployment) { d.Credentials = nil }, "endpoint", Unknown, "no credential"},
		"nobody, no stream":    {nil, func(d *Deployment) { d.Credentials = nil }, "old stream", Unknown, "no credential"},
		"nobody, no page":      {nil, func(d *Deployment) { d.Credentials = nil }, "page", Unknown, "no credential"},
		"no page":              {nil, func(d *Deployment) { d.Page = "" }, "page", Unknown, "no page is named"},
		"no page, but script":  {nil, func(d *Deployment) { d.Page = "" }, "client script", OK, "/_sluice/client.js is sluice-client"},
		"no pipeline":          {nil, func(d *Deployment) { d.Pipeline = "" }, "pipelines", Unknown, "without a credential /api/pipelines/stream answers 401"},
		"no admin":             {nil, func(d *Deployment) { d.Admin = "" }, "old pages", Unknown, "no admin listener is named"},
		"admin is down":        {nil, func(d *Deployment) { d.Admin = "http://127.0.0.1:1" }, "server errors", Unknown, "connection refused"},
		"admin is another":     {deployment{"/metrics": says("text/plain", "go_goroutines 8\n")}, nil, "open streams", Unknown, "no metrics of Sluice"},
		"admin says nothing":   {deployment{"/metrics": status(404)}, nil, "browsers poll", Unknown, "/metrics answers 404"},
		"no data":              {whatever(), nil, "after_id", Unknown, "this user has 0"},
		"the endpoint is down": {deployment{"/api/notifications": status(503)}, nil, "after_id", Unknown, "the endpoint answers 503"},
		"one second": {deployment{"/api/notifications": signedIn(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("after_id") == "b" {
				show(w, nil, 0) // the app's endpoint loses it
				return
			}
			whatever(rows[0], tie)["/api/notifications"](w, r)
		})}, nil, "after_id", Unknown, "of one second"},
		"sent again":           {whatever(rows[0], near), nil, "after_id", OK, "the newest"},
		"Redis is down":        {deployment{"/metrics": metrics("legacy_clients 0", "legacy_clients NaN")}, nil, "old pages", Unknown, "cannot tell"},
		"nobody has polled":    {deployment{"/metrics": metrics(`{client="sluice",result="empty"} 2000`, `{client="sluice",result="empty"} 0`)}, nil, "browsers poll", OK, "3 polls"},
		"no rollout":           {deployment{"/rollout": status(404)}, nil, "everybody polls", Unknown, "this user is on poll"},
		"bridged":              {deployment{"/api/stream": signedIn(says("text/event-stream", ": bridge\nretry: 1000\n\n"))}, nil, "old stream", OK, "bridged"},
		"nobody, but Sluice":   {nil, func(d *Deployment) { d.Credentials = nil }, "everybody polls", OK, "completed at weight 100"},
		"a rollout elsewhere":  {nil, func(d *Deployment) { d.Credentials, d.Admin = nil, "" }, "everybody polls", Unknown, "an unknown side"},
		"gone":                 {deployment{"/api/stream": status(404)}, nil, "old stream", OK, "gone: 404"},
		"gone for good":        {deployment{"/api/stream": status(410)}, nil, "old stream", OK, "gone: 410"},
		"the drop-in":          {deployment{"/dashboard": says("text/html", `<script src="/_sluice/eventsource.js"></script>`+old)}, nil, "page", OK, "by which it polls"},
		"the drop-in's script": {deployment{"/dashboard": says("text/html", `<script src="/_sluice/eventsource.js"></script>`+old)}, nil, "client script", OK, "/_sluice/eventsource.js is the drop-in"},
		"its own place":        {deployment{"/dashboard": says("text/html", `<script src='/static/client.js?v=3'></script>`), "/static/client.js": says("text/javascript", string(client.Script()))}, nil, "client script", OK, "/static/client.js is sluice-client"},
		"a bundle":             {deployment{"/dashboard": says("text/html", `<script src="/app.js"></script>`)}, nil, "page", Unknown, "no script tag of the client"},
		"another version":      {deployment{"/_sluice/client.js": says("text/javascript", `fetch("/api/notifications")`)}, nil, "client script", Unknown, "polls, but is not"},
		"a browser's affair":   {nil, nil, "hidden tab", Unknown, "only a browser shows it"},
	} {
		t.Run(name, func(t *testing.T) {
			d := goodDeployment()
			for path, handler := range c.other {
				d[path] = handler
			}
			at := d.start(t)
			if c.change != nil {
				c.change(&at)
			}
			r := Verify(t.Context(), at)
			if p := r.point(t, c.point); p.Verdict != c.want || !strings.Contains(p.Found, c.found) || p.Verdict == Unknown && p.Do == "" {
				t.Errorf("%+v, want %s %s", p, c.want, c.found)
			}
			if r.Count(Failed) > 0 && r.point(t, "endpoint").Verdict != Failed {
				t.Errorf("nothing should fail: %+v", r.Points)
			}
		})
	}
}

// Without Sluice nothing is asked of it, and the rest holds as before.
func TestSluiceTakenOut(t *testing.T) {
	d := goodDeployment()
	delete(d, "/_sluice/config")
	delete(d, "/api/stream")
	at := d.start(t)
	at.Admin = ""
	r := Verify(t.Context(), at)
	if r.Sluice || r.Count(Failed) > 0 || r.point(t, "old stream").Verdict != OK || r.point(t, "after_id").Verdict != OK {
		t.Errorf("%+v", r)
	}
}

// What hangs is given up, and said to hang.
func TestStreamThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		reader, writer := io.Pipe()
		context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })
		if _, took, err := firstLine(ctx, reader); err == nil || !strings.Contains(err.Error(), "nothing for 10s") || took != timeout {
			t.Errorf("%s %v", took, err)
		}
	})
}
