package proxy

import (
	"context"
	"net/url"
	"time"

	"sluice/backend"
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
	return upstream.New(upstream.Options{URL: app, Cookie: c.Auth.Cookie, Timeout: c.Upstream.Timeout}), nil
}

// openCache opens the latest-id cache, and names its layer.
func openCache(c config.Config) (cache latest.Cache, layer string, err error) {
	if c.Redis.URL.Value() == "" {
		return latest.NewMemory(memoryUsers), "memory", nil
	}
	cache, err = latest.NewRedis(c.Redis.URL.Value(), c.Redis.Timeout)
	return cache, "redis", err
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
