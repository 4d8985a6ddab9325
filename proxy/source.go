package proxy

import (
	"context"
	"net/url"
	"time"

	"go.uber.org/zap"

	"sluice/backend"
	"sluice/backend/guard"
	"sluice/backend/latest"
	"sluice/backend/sqlstore"
	"sluice/backend/upstream"
	"sluice/proxy/config"
)

// store is a source as the gateway owns it.
type store interface {
	backend.Source
	Close() error
}

// pinger is a store that can tell whether it is there; the app is asked by the
// polls themselves.
type pinger interface {
	Ping(ctx context.Context) error
}

// memoryUsers is how many users the in-process cache keeps, at about 300 bytes each.
const memoryUsers = 1 << 20

// openStore opens where notifications are read from.
func openStore(c config.Config) (store, error) {
	switch c.Store.Driver {
	case "sqlite":
		return sqlstore.Open(c.Store.DSN.Value())
	case "postgres":
		return sqlstore.OpenPostgres(c.Store.DSN.Value())
	}
	app, err := url.Parse(c.Upstream.URL)
	if err != nil {
		return nil, err
	}
	return upstream.New(upstream.Options{URL: app, Name: credentialName(c), Timeout: c.Upstream.Timeout}), nil
}

// follower is a store whose changes can be followed.
type follower interface {
	Tail() backend.Tail
}

// concurrentReads is how many reads of the app or of an SQLite file may be under way:
// enough for any of them to be busy, and no more than an app in trouble can bear.
const concurrentReads = 64

// concurrent is how many reads of a store may be under way. Of PostgreSQL, as many as
// there are connections: who waits for a turn has it in order, and who waits for a
// connection of database/sql at random, which makes the last of them very late.
func concurrent(driver string) int {
	if driver == "postgres" {
		return sqlstore.MaxConns
	}
	return concurrentReads
}

// guarded puts the guard before the store.
func (g *Gateway) guarded() *guard.Source {
	return guard.New(guard.Options{
		Source:     measured{g.store, g.config.Store.Driver, g.metrics},
		Concurrent: concurrent(g.config.Store.Driver), Timeout: g.config.Upstream.Timeout, Resting: g.sourceRests,
	})
}

// newReader puts the cache before the guarded store, and has the guard pace clients.
func (g *Gateway) newReader(guarded *guard.Source) *latest.Reader {
	c := g.config
	g.pacing = newPacing(c, guarded.Load, g.metrics.advised, g.log)
	o := latest.Options{
		Source:     guarded,
		Local:      latest.NewMemory(memoryUsers),
		Bound:      func(read time.Time) time.Duration { return g.live.Load().StalenessBound(g.feed.Hears(read)) },
		Vouches:    func(read time.Time) bool { return g.feed.Vouches(read) },
		AuditRatio: c.Cache.AuditRatio,
		Observer:   cacheObserver{g.metrics, g.log},
	}
	if g.redis != nil {
		o.Shared = latest.NewRedis(g.redis, c.Redis.Timeout)
	}
	return latest.NewReader(o)
}

func (g *Gateway) sourceRests(rests bool) {
	if rests {
		g.log.Error("the source fails and is left alone for a moment")
		return
	}
	g.log.Info("the source answers again")
}

// cacheObserver reports the cache to metrics and log.
type cacheObserver struct {
	*metrics
	log *zap.Logger
}

func (o cacheObserver) Looked(layer string, r latest.Result) {
	o.latestRequests.WithLabelValues(layer, string(r)).Inc()
}

func (o cacheObserver) Audited(found *latest.FalseEmpty) {
	o.audits.Inc()
	if found == nil {
		return
	}
	o.falseEmpty.Inc()
	o.log.Error("false empty: the cache would have hidden a notification",
		zap.String("user", found.User), zap.String("layer", found.Layer), zap.Duration("age", found.Age),
		zap.Bool("vouched", found.Vouched), zap.Duration("bound", found.Bound),
		zap.String("item", found.Item), zap.Duration("created_ago", found.Hidden))
}

// measured counts and times the reads of a source.
type measured struct {
	backend.Source
	name    string
	metrics *metrics
}

func (s measured) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	start := time.Now()
	page, err := s.Source.Read(ctx, c, q)
	s.metrics.sourceDuration.WithLabelValues(s.name).Observe(time.Since(start).Seconds())
	outcome := "ok"
	if err != nil {
		outcome = string(backend.FaultOf(err))
	}
	s.metrics.sourceRequests.WithLabelValues(s.name, outcome).Inc()
	if page.Check != "" {
		s.metrics.cursorChecks.WithLabelValues(string(page.Check)).Inc()
	}
	return page, err
}
