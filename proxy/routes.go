package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // on the default mux, which is served here only
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/client"
	"sluice/compat"
	"sluice/proxy/fastpath"
	"sluice/rollout"
)

// answerer answers a request of the public listener.
type answerer func(rec *recorder, r *http.Request)

// Handler is the public listener: our routes, and the app for everything else. There is
// nothing that guesses: a path is ours exactly, and as it is, or not at all.
func (g *Gateway) Handler() http.Handler {
	routes := map[string]answerer{
		pollPath:                  g.poll,
		"/api/stream":             g.stream,
		"/_sluice/config":         g.clientConfig,
		"/_sluice/client.js":      serveScript(client.Script()),
		"/_sluice/eventsource.js": serveScript(client.DropIn()),
	}
	return g.recording(func(rec *recorder, r *http.Request) {
		answer := routes[r.URL.Path]
		if answer == nil || r.URL.RawPath != "" { // an encoded path is not ours
			g.page(rec, r)
			return
		}
		switch r.Method {
		case http.MethodGet:
			g.shared(rec, r)
			answer(rec, r)
		case http.MethodOptions:
			g.shared(rec, r)
			g.preflight(rec, r)
		default:
			g.page(rec, r)
		}
	})
}

const pollPath = "/api/notifications"

// onFastPath has a listener's connections answer the polls of our own client, which are
// never the app's.
func (g *Gateway) onFastPath(l net.Listener) *fastpath.Listener {
	polls := g.recording(func(rec *recorder, r *http.Request) {
		g.shared(rec, r)
		g.ownPoll(rec, r)
	})
	return fastpath.NewListener(l, fastpath.Route{Path: pollPath, Field: "Sluice-Client", Handler: polls, Idle: idleTimeout})
}

func (g *Gateway) recording(next answerer) http.Handler {
	return recording(next, g.log, &g.draining, func() int { return g.live.Load().Log.PollRatio })
}

// AdminHandler is the operator's listener. What changes something there needs the token,
// and besides no page of another origin may ask for it: a browser may have been given the
// token by a proxy in front.
func (g *Gateway) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", g.readyz)
	mux.HandleFunc("POST /internal/changed", g.changed)
	mux.HandleFunc("GET /rollout", g.showRollout)
	mux.HandleFunc("POST /rollout/{verb}", g.command)
	if g.config.Admin.Pprof {
		mux.Handle("GET /debug/pprof/", http.DefaultServeMux)
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusForbidden, "pages of other origins may change nothing here")
	}))
	return protection.Handler(mux)
}

// clientConfig tells a client in sse mode what it would hear from a poll.
func (g *Gateway) clientConfig(rec *recorder, r *http.Request) {
	id, err := g.auth.Authenticate(r)
	if err != nil {
		g.refuse(rec, err)
		return
	}
	rec.user, rec.outcome = id.User, "config"
	if ago, ok := compat.Echo(r.URL.RawQuery); ok {
		g.metrics.streamEcho.Observe(ago.Seconds())
	}
	rec.Header().Set("Cache-Control", "no-store")
	writeJSON(rec, http.StatusOK, struct {
		Transport    rollout.Transport `json:"transport"`
		PollInterval int               `json:"poll_interval"`
		Paused       bool              `json:"paused"`
	}{g.flags.Transport(r.Context(), id.User), g.pacing.advice().seconds, g.live.Load().Poll.Paused})
}

func serveScript(script []byte) answerer {
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(script))[:16])
	return func(rec *recorder, r *http.Request) {
		rec.outcome = "script"
		h := rec.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Cache-Control", "no-cache") // kept, but asked about: an update reaches pages at their next load
		h.Set("ETag", tag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(rec, r, "", time.Time{}, bytes.NewReader(script))
	}
}

// readyTimeout bounds the look at the store behind /readyz.
const readyTimeout = 2 * time.Second

func (g *Gateway) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	state := map[string]any{"ready": true, "cache": "ok"}
	if g.redis != nil {
		if err := g.redis.Ping(ctx).Err(); err != nil {
			state["cache"] = "Redis is down: polls that this process cannot answer go to the source"
		}
	}
	if g.tail != nil {
		state["feed"] = "ok"
		if !g.feed.Following() {
			state["feed"] = "down: cached answers are believed for a shorter time"
		}
	}
	if g.rollout != nil {
		state["rollout"] = "ok"
		if frozen := g.rollout.status().Frozen; frozen != "" {
			state["rollout"] = "frozen: " + frozen
		}
	}
	status := http.StatusOK
	if err := g.ready(ctx); err != nil {
		status, state["ready"], state["reason"] = http.StatusServiceUnavailable, false, err.Error()
	}
	writeJSON(w, status, state)
}
