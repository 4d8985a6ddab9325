package after

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sluice/client"
)

const token = "SECRET"

// deployment is one in good order, behind Sluice: its answers by path.
type deployment map[string]http.HandlerFunc

// rows are a user's notifications, newest first.
var rows = []string{
	`{"id":"c","level":"info","created_at":"2026-11-25T10:00:09Z","context":{}}`,
	`{"id":"b","level":"error","created_at":"2026-11-25T09:59:00Z","context":{}}`,
	`{"id":"a","level":"info","created_at":"2026-11-25T08:00:00Z","context":{}}`,
}

func goodDeployment() deployment {
	return deployment{
		"/api/notifications":      signedIn(notifications),
		"/api/stream":             signedIn(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		"/api/pipelines/stream":   signedIn(says("text/event-stream", ": heartbeat\n\n")),
		"/dashboard":              signedIn(says("text/html", `<script defer src="/_sluice/client.js"></script>`)),
		"/_sluice/client.js":      says("text/javascript", string(client.Script())),
		"/_sluice/eventsource.js": says("text/javascript", string(client.DropIn())),
		"/_sluice/config":         signedIn(says("application/json", `{"transport":"poll"}`)),
		"/metrics":                says("text/plain", goodMetrics),
		"/rollout":                says("application/json", `{"phase":"completed","weight":100}`),
	}
}

const goodMetrics = `# HELP sluice_compat_legacy_clients users
sluice_compat_legacy_clients 0
sluice_compat_streams 0
sluice_cache_false_empty_total 0
sluice_polls_total{client="native",result="empty"} 7
sluice_polls_total{client="sluice",result="empty"} 2000
sluice_polls_total{client="drop-in",result="items"} 3
sluice_source_requests_total{outcome="ok",source="sqlite"} 999
sluice_source_requests_total{outcome="canceled",source="sqlite"} 50
sluice_source_requests_total{outcome="too_late",source="sqlite"} 1
`

func metrics(from, to string) http.HandlerFunc {
	if !strings.Contains(goodMetrics, from) {
		panic(from)
	}
	return says("text/plain", strings.Replace(goodMetrics, from, to, 1))
}

func signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("session"); err != nil || c.Value != token {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func says(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		fmt.Fprint(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// notifications is the endpoint as it should be.
func notifications(w http.ResponseWriter, r *http.Request) {
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	show(w, newerThan(r.FormValue("after_id"), rows), min(max(limit, 1), 100))
}

// newerThan are the rows before that with an id.
func newerThan(id string, rows []string) []string {
	if i := slices.IndexFunc(rows, func(row string) bool { return strings.Contains(row, fmt.Sprintf(`"id":%q`, id)) }); i >= 0 {
		return rows[:i]
	}
	return rows
}

func show(w http.ResponseWriter, rows []string, limit int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintf(w, `{"notifications":[%s]}`, strings.Join(rows[:min(limit, len(rows))], ","))
}

// start serves a deployment, and says how to look at it.
func (d deployment) start(t *testing.T) Deployment {
	t.Helper()
	mux := http.NewServeMux()
	for path, handler := range d {
		mux.HandleFunc("GET "+path, handler)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return Deployment{URL: server.URL, Credentials: http.Header{"Cookie": {"session=" + token}}, Admin: server.URL, Page: "/dashboard", Pipeline: "/api/pipelines/stream?job_id=7"}
}

// point is one of a report.
func (r Report) point(t *testing.T, name string) Point {
	t.Helper()
	for _, p := range r.Points {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no point %q", name)
	return Point{}
}
