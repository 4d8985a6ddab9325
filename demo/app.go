// Package demo is a small sample app to run a gateway against: the legacy
// application in Go, with its pages, its jobs, its own SSE stream and its own
// polling endpoint, on SQLite.
//
// App keeps the legacy application's bugs on purpose: they are what a gateway in
// front of it has to get right. A comment that starts with "Legacy bug" marks
// each of them. It knows nothing of gateways; it only serves the polling client
// to its new pages itself, as an app does once the gateway is taken out again.
// Room is the page from which people watch the app behind a gateway, and break it.
//
// It is for demonstrations and tests. Anybody may sign in as alice, bob or carol.
package demo

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"sync"

	"sluice/client"
)

//go:embed static
var static embed.FS

// App is the sample app; it is an http.Handler, safe for concurrent use.
type App struct {
	key   []byte
	store *store
	jobs  jobs
	mux   *http.ServeMux

	// life ends when Close is called; every request and job lives inside it.
	life context.Context
	end  context.CancelFunc

	mu     sync.Mutex // guards closed, and work.Add against work.Wait
	closed bool
	work   sync.WaitGroup
}

// New opens the sample app. database is the path of an SQLite file, created
// when missing (its folder is not); key is the HS256 secret of the sign-in
// tokens. The caller closes the app.
func New(database string, key []byte) (*App, error) {
	if len(key) == 0 {
		return nil, errors.New("demo: empty key: give the HS256 secret of the sign-in tokens")
	}
	store, err := openStore(database)
	if err != nil {
		return nil, err
	}
	a := &App{key: key, store: store}
	a.life, a.end = context.WithCancel(context.Background())
	a.mux = a.routes()
	return a, nil
}

// routes is the whole surface of the app.
func (a *App) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.start)
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("GET /auth/me", a.signedIn(a.me))
	mux.HandleFunc("GET /healthz", a.health)

	mux.HandleFunc("GET /dashboard/old", a.page(a.dashboardPage))
	mux.HandleFunc("GET /dashboard/new", a.page(a.dashboardPage))
	mux.HandleFunc("GET /dashboard/activity", a.page(a.activityPage))
	mux.HandleFunc("GET /dashboard/jobs", a.page(a.jobsPage))
	mux.HandleFunc("GET /dashboard/jobs/{id}", a.page(a.jobPage))
	mux.HandleFunc("GET /dashboard/documents", a.page(a.documentsPage))
	mux.HandleFunc("GET /dashboard/documents/{id}", a.page(a.documentPage))
	mux.Handle("GET /static/", revalidate(http.FileServerFS(static)))
	mux.Handle("GET /_sluice/client.js", revalidate(http.HandlerFunc(clientScript)))

	mux.HandleFunc("POST /jobs", a.signedIn(csrf(a.startJob)))
	mux.HandleFunc("GET /api/pipelines/stream", a.signedIn(a.pipelineStream))
	mux.HandleFunc("GET /api/stream", a.signedIn(a.stream))
	mux.HandleFunc("GET /api/notifications", a.signedIn(a.notifications))
	mux.HandleFunc("POST /api/notifications/{id}/seen", a.signedIn(csrf(a.mark("seen_at"))))
	mux.HandleFunc("POST /api/notifications/{id}/dismiss", a.signedIn(csrf(a.mark("dismissed_at"))))
	return mux
}

// ServeHTTP answers one request. Its context also ends with the app, so that
// no handler has to watch two.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.begin() {
		writeDetail(w, http.StatusServiceUnavailable, "The app is shutting down")
		return
	}
	defer a.work.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.life, cancel)()
	a.mux.ServeHTTP(w, r.WithContext(ctx))
}

// begin counts one more request or job, unless the app is closed. The caller
// calls a.work.Done at its end.
func (a *App) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.work.Add(1)
	return true
}

// Close ends all streams and jobs, waits for them and for requests under way,
// and closes the database. Notifications of unfinished jobs are not written.
func (a *App) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.end()
	a.work.Wait()
	return a.store.close()
}

// health answers GET /healthz: 200 while the database answers.
func (a *App) health(w http.ResponseWriter, r *http.Request) {
	if err := a.store.db.PingContext(r.Context()); err != nil {
		writeDetail(w, http.StatusServiceUnavailable, "The database does not answer")
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// revalidate keeps browsers from running yesterday's script.
func revalidate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// clientScript answers GET /_sluice/client.js: the polling client of the new pages.
func clientScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Write(client.Script())
}
