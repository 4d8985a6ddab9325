package proxy

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"sluice/backend"
	"sluice/compat"
	"sluice/proxy/auth"
	"sluice/rollout"
)

// stream serves GET /api/stream as the flag legacy-stream says for this user.
func (g *Gateway) stream(c *gin.Context) {
	rec := below(c)
	id, ok := g.identify(c)
	if !ok {
		return
	}
	mode, ours := g.flags.Stream(c.Request.Context(), id.User), compat.Ours(c.Request, id.User)
	if mode == rollout.Upstream && ours {
		mode = rollout.Bridge // the app's stream would not understand its place, and replay old items
	}
	if mode != rollout.Retired && !ours {
		defer g.legacy.Enter(id.User)()
	}
	if mode != rollout.Retired && compat.Place(c.Request) == "" {
		defer g.oldPages.enter(c.Request.Context())()
	}
	switch mode {
	case rollout.Retired:
		rec.outcome = "stream: retired"
		rec.Header().Set("Cache-Control", "no-store")
		rec.WriteHeader(http.StatusNoContent) // plain EventSource clients stop for good
	case rollout.Bridge:
		rec.outcome = "stream: bridge"
		g.bridge.Serve(rec, c.Request, id.Caller, id.Expires)
	default:
		c.Request = lookedAt(c.Request, func(resp *http.Response) { g.readAlong(resp, c.Request, id) })
		g.pass(c)
	}
}

// readAlong lets the bridge see the app's own stream go by, and the shadow that of a
// user in its sample. A stream that is compressed passes unread.
func (g *Gateway) readAlong(resp *http.Response, r *http.Request, id auth.Identity) {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && media == "text/event-stream" && resp.Header.Get("Content-Encoding") == "" {
		resp.Body = g.bridge.Along(resp.Body, r, id.Caller, g.shadowed(id))
	}
}

// bridgeObserver reports the bridge to metrics and log.
type bridgeObserver struct {
	streamMetrics
	log *zap.Logger
}

var _ compat.Observer = bridgeObserver{}

func (o bridgeObserver) ReadFailed(err error) {
	if backend.FaultOf(err) != backend.Canceled {
		o.log.Warn("bridge: read failed, the stream stays open", zap.Error(err))
	}
}

func (o bridgeObserver) BrowserUnknown(err error) {
	if !errors.Is(err, context.Canceled) {
		o.log.Warn("bridge: what an old page was shown is not remembered", zap.Error(err))
	}
}
