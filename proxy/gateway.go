// Package proxy is Sluice's HTTP edge: it decides which requests are Sluice's
// and passes all others to the app, wires the other packages together, and owns
// the process. Nothing else knows of zap or Prometheus.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"sluice/backend"
	"sluice/backend/feed"
	"sluice/compat"
	"sluice/compat/census"
	"sluice/compat/shadow"
	"sluice/internal/redisconn"
	"sluice/proxy/auth"
	"sluice/proxy/config"
	"sluice/rollout"
)

// Gateway is one running Sluice.
type Gateway struct {
	config  config.Config // as of the start
	live    atomic.Pointer[config.Config]
	log     *zap.Logger
	metrics *metrics
	began   time.Time
	badFile atomic.Pointer[error] // why the flag file cannot be read; nil or of nil when it can

	auth   auth.Authenticator
	flags  *rollout.Flags
	store  store
	tail   backend.Tail          // nil when the store cannot be followed
	redis  redis.UniversalClient // nil without Redis
	feed   *feed.Feed
	source backend.Source // the store behind guard and cache
	limits *limited
	pacing *pacing
	tuning *tuning
	bridge *compat.Bridge
	shadow *shadow.Shadow
	legacy *census.Census
	app    http.Handler

	certificate atomic.Pointer[tls.Certificate] // of the public listener; nil if it speaks plain HTTP

	draining atomic.Bool
	retiring atomic.Bool // the rollout waits for the last old pages
	oldPages streamTime
	rollout  *controller // nil without a spec
}

// New opens everything a gateway needs; a flag file that is missing or bad is an
// error. The app, its database and Redis may still be down.
func New(c config.Config, log *zap.Logger) (*Gateway, error) {
	if err := c.CheckServe(); err != nil {
		return nil, err
	}
	app, err := url.Parse(c.Upstream.URL)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		config: c, log: log, metrics: newMetrics(c), began: time.Now(),
	}
	g.live.Store(&c)
	if err := g.setCertificate(c.TLS); err != nil {
		return nil, err
	}
	if g.certificate.Load() != nil {
		g.metrics.followCertificate(g.certificate.Load)
	}
	g.limits = newLimited(c.Limits)
	g.auth = g.newAuthenticator()
	byHeader, _ := g.auth.(*auth.Header)
	g.app = newAppProxy(app, c.Upstream.Begin, log, trust{g.proxies(), byHeader})
	if err := g.open(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// open opens what has to be closed again.
func (g *Gateway) open() (err error) {
	c := g.config
	if g.flags, err = rollout.Open(c.Rollout.Flags, rollout.Options{OnEvaluation: g.evaluated, OnReload: g.reloaded}); err != nil {
		return err
	}
	g.metrics.flagReload.Set(1)
	g.metrics.configReload.Set(1)
	if g.store, err = openStore(c); err != nil {
		return err
	}
	if url := c.Redis.URL.Value(); url != "" {
		if g.redis, err = redisconn.Open(url, c.Redis.Timeout); err != nil {
			return fmt.Errorf("redis.url: %w", err)
		}
		g.metrics.forRedis()
	}
	g.metrics.forSource(c.Store.Driver)
	g.metrics.followOldPages(&g.oldPages)
	guarded := g.guarded()
	reader := g.newReader(guarded)
	g.tuning = g.newTuning()
	g.follow(reader)
	g.source = reader
	g.openShadow(reader, guarded)
	bridge := compat.Options{
		Source: g.source, Interval: g.pacing.interval, Heartbeat: c.Compat.Heartbeat,
		MaxDuration: c.Compat.MaxDuration, OldPageDuration: c.Compat.OldPageDuration,
		Watch:    g.feed.Watch,
		Farewell: c.Compat.Farewell, SayFarewell: g.saysFarewell,
		Most:     c.Limits.Streams,
		Eager:    func(user string) bool { return g.limits.streams.take(user, time.Now()) > 0 },
		Observer: bridgeObserver{streamMetrics{g.metrics}, seldom(g.log)},
	}
	if g.redis != nil {
		bridge.Browsers = compat.NewRedis(g.redis, c.Redis.Timeout)
	}
	g.bridge = compat.New(bridge)
	g.legacy = census.New(census.Options{Redis: g.redis, Timeout: c.Redis.Timeout, Failing: g.legacyUnknown})
	g.metrics.countLegacy(g.legacy)
	if c.Rollout.Spec != "" {
		g.rollout, err = g.openRollout()
	}
	return err
}

// Close releases what New opened. Nothing may be served any more.
func (g *Gateway) Close() error {
	var errs []error
	g.auth.Close()
	if g.shadow != nil {
		g.shadow.Close()
	}
	if g.redis != nil {
		errs = append(errs, g.redis.Close())
	}
	if g.tail != nil {
		errs = append(errs, g.tail.Close())
	}
	if g.store != nil {
		errs = append(errs, g.store.Close())
	}
	if g.flags != nil {
		g.flags.Close()
	}
	return errors.Join(errs...)
}

// isApps tells whether a request without a user is the app's business, as on day one: not
// where there is no flag file, or our own client asks.
func (g *Gateway) isApps(r *http.Request) bool {
	return g.flags.Named() && clientOf(r) == "native"
}

// refuse answers a request that has no user.
func (g *Gateway) refuse(rec *recorder, err error) {
	rec.err = err
	if errors.Is(err, auth.ErrUnavailable) {
		rec.outcome = "unverified"
		rec.Header().Set("Retry-After", strconv.Itoa(g.pacing.retryAfter()))
		writeProblem(rec, http.StatusServiceUnavailable, auth.ErrUnavailable.Error())
		return
	}
	rec.outcome = "unauthorized"
	writeProblem(rec, http.StatusUnauthorized, "authentication required")
}

// pass hands a request to the app.
func (g *Gateway) pass(rec *recorder, r *http.Request) {
	if r.Method == http.MethodConnect {
		rec.outcome = "refused"
		writeProblem(rec, http.StatusMethodNotAllowed, "this is no proxy to elsewhere")
		return
	}
	rec.outcome = "passed"
	if rec.body != nil { // the app may answer before it has read all of it; HTTP/2 always lets it
		_ = http.NewResponseController(rec).EnableFullDuplex()
	}
	g.app.ServeHTTP(asSent{rec}, r)
}

func (g *Gateway) evaluated(flag, variant, reason string) {
	g.metrics.flagEvaluations.WithLabelValues(flag, variant, reason).Inc()
}

func (g *Gateway) reloaded(err error) {
	g.badFile.Store(&err)
	if err != nil {
		g.metrics.flagReload.Set(0)
		g.log.Error("flag file refused, the last good one stays", zap.Error(err))
		return
	}
	g.metrics.flagReload.Set(1)
	g.log.Info("flag file loaded", zap.String("file", g.config.Rollout.Flags))
}

// flagTrouble is why the flag file, as it is now, is not in force.
func (g *Gateway) flagTrouble() error {
	if err := g.badFile.Load(); err != nil {
		return *err
	}
	return nil
}

// saysFarewell tells whether old pages are asked to reload: by the configuration, or
// by a retirement that waits for them.
func (g *Gateway) saysFarewell() bool { return g.live.Load().Compat.SayFarewell || g.retiring.Load() }

func (g *Gateway) legacyUnknown(err error) {
	if err != nil {
		g.log.Warn("it is not known how many users are still on the old stream", zap.Error(err))
		return
	}
	g.log.Info("users on the old stream are counted again")
}

// ready reports what keeps the gateway from serving well. A cache or a feed that
// is down is no reason: polls go past it.
func (g *Gateway) ready(ctx context.Context) error {
	if g.draining.Load() {
		return errors.New("draining")
	}
	if p, ok := g.store.(pinger); ok {
		return p.Ping(ctx)
	}
	return nil
}
