package latest

import (
	"context"
	"time"

	"sluice/backend"
)

// Reader is a backend.Source that answers provably empty polls from a cache, and
// lets polls that ask the same share one read of the source.
type Reader struct {
	source  backend.Source
	cache   Cache
	bound   time.Duration
	flights flights
	observe func(Result)
}

// NewReader puts cache in front of source. An empty answer may be as old as
// bound; 0 turns both the cache and the sharing of reads off. observe, if not
// nil, is told how each lookup ended.
func NewReader(source backend.Source, cache Cache, bound time.Duration, observe func(Result)) *Reader {
	if observe == nil {
		observe = func(Result) {}
	}
	return &Reader{source: source, cache: cache, bound: bound, observe: observe}
}

// Read implements backend.Source.
func (r *Reader) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	if r.bound <= 0 || q.Before != "" {
		return r.source.Read(ctx, c, q)
	}
	found := r.cache.Get(ctx, c.User)
	if q.After != "" {
		result := r.judge(found, c.User, q.After)
		r.observe(result)
		if result == Hit {
			return backend.Page{Place: q.After, Check: backend.CheckEqual}, nil
		}
	}
	return r.flights.join(ctx, flight{c, q}, r.bound, func(ctx context.Context) (backend.Page, error) {
		page, err := r.source.Read(ctx, c, q)
		if err == nil && page.Latest != nil {
			r.cache.Put(ctx, c.User, found.Ticket, *page.Latest)
		}
		return page, err
	})
}

func (r *Reader) judge(l Lookup, user, after string) Result {
	switch {
	case l.Result != Found:
		return l.Result
	case l.Age < 0 || l.Age > r.bound:
		return Stale
	case !l.Latest.Proves(user, after):
		return Differs
	}
	return Hit
}
