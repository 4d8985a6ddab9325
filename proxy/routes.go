package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof" //nolint:gosec // on the default mux, which is served here only
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/client"
	"sluice/compat"
	"sluice/proxy/fastpath"
	"sluice/rollout"
)

// Handler is the public listener: our routes, and the app for everything else.
func (g *Gateway) Handler() http.Handler {
	r := newRouter()
	for path, answer := range map[string]gin.HandlerFunc{
		pollPath:                  g.poll,
		"/api/stream":             g.stream,
		"/_sluice/config":         g.clientConfig,
		"/_sluice/client.js":      serveScript(client.Script()),
		"/_sluice/eventsource.js": serveScript(client.DropIn()),
	} {
		r.GET(path, g.shared, answer)
		r.OPTIONS(path, g.shared, g.preflight)
	}
	r.NoRoute(g.page)
	return g.recording(r)
}

const pollPath = "/api/notifications"

// onFastPath has a listener's connections answer the polls of our own client, which are
// never the app's.
func (g *Gateway) onFastPath(l net.Listener) *fastpath.Listener {
	polls := g.recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := w.(*recorder) //nolint:forcetypeassert // recording's own
		g.shareWith(rec, r)
		g.ownPoll(rec, r)
	}))
	return fastpath.NewListener(l, fastpath.Route{Path: pollPath, Field: "Sluice-Client", Handler: polls, Idle: idleTimeout})
}

func (g *Gateway) recording(next http.Handler) http.Handler {
	return recording(next, g.log, &g.draining, func() int { return g.live.Load().Log.PollRatio })
}

// AdminHandler is the operator's listener. What changes something there needs the token,
// and besides no page of another origin may ask for it: a browser may have been given the
// token by a proxy in front.
func (g *Gateway) AdminHandler() http.Handler {
	r := newRouter()
	r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{})))
	r.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.GET("/readyz", g.readyz)
	r.POST("/internal/changed", g.changed)
	r.GET("/rollout", g.showRollout)
	r.POST("/rollout/:verb", g.command)
	if g.config.Admin.Pprof {
		r.GET("/debug/pprof/*profile", gin.WrapH(http.DefaultServeMux))
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusForbidden, "pages of other origins may change nothing here")
	}))
	return protection.Handler(r)
}

// newRouter is gin without what guesses: a path is ours exactly or not at all.
func newRouter() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleMethodNotAllowed = false
	r.UseRawPath = true // an encoded path is not ours
	r.ForwardedByClientIP = false
	return r
}

// clientConfig tells a client in sse mode what it would hear from a poll.
func (g *Gateway) clientConfig(c *gin.Context) {
	rec := below(c)
	id, err := g.auth.Authenticate(c.Request)
	if err != nil {
		g.refuse(rec, err)
		return
	}
	rec.user, rec.outcome = id.User, "config"
	if ago, ok := compat.Echo(c.Request.URL.RawQuery); ok {
		g.metrics.streamEcho.Observe(ago.Seconds())
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, struct {
		Transport    rollout.Transport `json:"transport"`
		PollInterval int               `json:"poll_interval"`
		Paused       bool              `json:"paused"`
	}{g.flags.Transport(c.Request.Context(), id.User), g.pacing.advice().seconds, g.live.Load().Poll.Paused})
}

func serveScript(script []byte) gin.HandlerFunc {
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(script))[:16])
	return func(c *gin.Context) {
		below(c).outcome = "script"
		h := c.Writer.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Cache-Control", "no-cache") // kept, but asked about: an update reaches pages at their next load
		h.Set("ETag", tag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader(script))
	}
}

// readyTimeout bounds the look at the store behind /readyz.
const readyTimeout = 2 * time.Second

func (g *Gateway) readyz(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()
	state := gin.H{"ready": true, "cache": "ok"}
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
	c.JSON(status, state)
}
