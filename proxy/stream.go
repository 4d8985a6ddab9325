package proxy

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/backend"
	"sluice/compat"
	"sluice/proxy/auth"
	"sluice/rollout"
)

// stream serves GET /api/stream as the flag legacy-stream says for this user. Of what
// stands here, little is kept while a stream is held (see compat.Bridge.Serve).
func (g *Gateway) stream(rec *recorder, r *http.Request) {
	if id, ok := g.identifyReader(rec, r); ok {
		g.serveStream(rec, r, &id, g.modeOf(r, &id))
	}
}

// modeOf is what the flag says, unless our client needs something else.
func (g *Gateway) modeOf(r *http.Request, id *auth.Identity) rollout.Stream {
	mode := g.flags.Stream(r.Context(), id.User)
	if mode == rollout.Upstream && compat.Ours(r, id.User) && g.canRead(r, *id) {
		return rollout.Bridge // the app's stream would not understand its place, and replay old items
	}
	return mode
}

func (g *Gateway) serveStream(rec *recorder, r *http.Request, id *auth.Identity, mode rollout.Stream) {
	if mode != rollout.Retired {
		defer g.countReader(r, id)()
	}
	switch mode {
	case rollout.Retired: // a stream that was held ends, and is told when it is back
		rec.outcome = "stream: retired"
		rec.Header().Set("Cache-Control", "no-store")
		rec.WriteHeader(http.StatusNoContent) // plain EventSource clients stop for good
	case rollout.Bridge:
		rec.outcome = "stream: bridge"
		g.bridge.Serve(rec, r, id.Caller, id.Expires)
	default:
		if rec.status == 0 { // or it was held, and is passed on when it is back
			g.passStream(rec, r, id)
		}
	}
}

// countReader counts a reader of the old stream, bridged or not, until leave is called.
func (g *Gateway) countReader(r *http.Request, id *auth.Identity) (leave func()) {
	leaveCensus, leaveOldPages := func() {}, func() {}
	if !compat.Ours(r, id.User) && clientOf(r) == "native" { // no EventSource can say Sluice-Client
		leaveCensus = g.legacy.Enter(id.User)
	}
	if compat.Place(r) == "" && g.limits.oldPages.take(id.User, time.Now()) == 0 {
		leaveOldPages = g.oldPages.enter(r.Context())
	}
	return func() { leaveOldPages(); leaveCensus() }
}

func (g *Gateway) passStream(rec *recorder, r *http.Request, id *auth.Identity) {
	g.pass(rec, lookedAt(r, func(resp *http.Response) { g.readAlong(resp, r, *id) }))
}

// canReadWithin is how long a stream waits to know whether its source can be read.
const canReadWithin = 2 * time.Second

// canRead tells whether a stream of our client could be bridged at the moment. If not,
// it is passed to the app, as an old page's is: a way back must not depend on what may
// be the reason for it. The client knows what it has shown.
func (g *Gateway) canRead(r *http.Request, id auth.Identity) bool {
	ctx, cancel := context.WithTimeout(r.Context(), canReadWithin)
	defer cancel()
	_, err := g.source.Read(ctx, id.Caller, backend.Query{After: compat.Place(r), Limit: 1})
	return err == nil
}

// identifyReader returns whose stream it is. If it says false, the request has been
// answered: by the app, with 401, or with 503 if it cannot be told now. A stream is held
// open while it cannot be told: unless the app may know, and can have it.
func (g *Gateway) identifyReader(rec *recorder, r *http.Request) (auth.Identity, bool) {
	id, err := g.auth.Authenticate(r)
	hold := errors.Is(err, auth.ErrUnavailable) && !g.flags.Named() || errors.Is(err, auth.ErrSilent)
	if !hold {
		return id, g.settle(rec, r, id, err)
	}
	rec.err, rec.outcome = err, "stream: held"
	held := g.bridge.Hold(rec, r, func(ctx context.Context) bool {
		id, err = g.auth.Authenticate(r.WithContext(ctx))
		return !errors.Is(err, auth.ErrUnavailable)
	})
	if !held || err != nil {
		return id, false // the next stream is told why
	}
	rec.user, rec.err = id.User, nil
	return id, true
}

// settle does with a request what identifyReader says, once it is known whose it is.
func (g *Gateway) settle(rec *recorder, r *http.Request, id auth.Identity, err error) bool {
	rec.user, rec.err = id.User, err
	switch {
	case err == nil:
		return true
	case g.isApps(r):
		g.pass(rec, r)
	default:
		g.refuse(rec, err)
	}
	return false
}

// readAlong lets the bridge see the app's own stream go by, and the shadow that of a
// user in its sample. A stream that is compressed passes unread.
func (g *Gateway) readAlong(resp *http.Response, r *http.Request, id auth.Identity) {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && media == "text/event-stream" && resp.Header.Get("Content-Encoding") == "" {
		resp.Body = g.bridge.Along(resp.Body, r, id.Caller, g.shadowed(id))
	}
}

// seldom lets through, of equal messages, 10 a second and then one in 1,000: what fails
// for a stream fails for all of them, again and again.
func seldom(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Second, 10, 1000)
	}))
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
