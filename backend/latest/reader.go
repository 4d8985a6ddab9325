package latest

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice/backend"
)

// Options of a Reader.
type Options struct {
	Source backend.Source
	Local  *Memory
	Shared Cache // nil without Redis
	// Bound is how old an answer that was read at a moment may be, if nobody vouches
	// for it; 0 turns both the cache and the sharing of reads off.
	Bound func(read time.Time) time.Duration
	// Vouches, if not nil, tells whether a user who was not forgotten since has
	// nothing newer than what was read at this moment.
	Vouches func(read time.Time) bool
	// AuditRatio makes one hit in so many read the source all the same, and
	// compares; 0 audits nothing.
	AuditRatio int
	Observer   Observer // may be nil
}

// Observer is told what a Reader does.
type Observer interface {
	// Looked is told how the lookup of a poll ended in a layer.
	Looked(layer string, r Result)
	// Audited is told of each audit; found is nil when the cache was right.
	Audited(found *FalseEmpty)
}

// Reader is a backend.Source that answers provably empty polls from a cache, and
// lets polls that ask the same share one read of the source.
type Reader struct {
	Options
	flights flights
	// doubt is when the shared cache last failed to forget. What was read before is
	// not believed: it may be what should be gone.
	doubt atomic.Pointer[time.Time]
}

// NewReader prepares a reader.
func NewReader(o Options) *Reader {
	if o.Vouches == nil {
		o.Vouches = func(time.Time) bool { return false }
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	return &Reader{Options: o}
}

type silent struct{}

func (silent) Looked(string, Result) {}
func (silent) Audited(*FalseEmpty)   {}

// Read implements backend.Source.
func (r *Reader) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	now := time.Now()
	if r.Bound(now) <= 0 || q.Before != "" {
		return r.Source.Read(ctx, c, q)
	}
	l := r.lookup(ctx, c.User, q.After, now)
	switch {
	case l.hit == "":
		return r.share(ctx, c, q, l)
	case r.AuditRatio > 0 && rand.IntN(r.AuditRatio) == 0:
		return r.audit(ctx, c, q, l)
	}
	return backend.Page{Place: q.After, Check: backend.CheckEqual}, nil
}

// share reads the source, or joins a read of it. The nonce is part of the flight: a
// poll after a change joins no read from before it.
func (r *Reader) share(ctx context.Context, c backend.Caller, q backend.Query, l lookup) (backend.Page, error) {
	return r.flights.join(ctx, flight{c, q, l.local.Ticket.nonce}, r.Bound, func(ctx context.Context) (backend.Page, error) {
		return r.read(ctx, c, q, l)
	})
}

// Forget drops users after a change.
func (r *Reader) Forget(ctx context.Context, users ...string) {
	r.Local.Forget(ctx, users...)
	if r.Shared != nil && !r.Shared.Forget(ctx, users...) {
		now := time.Now()
		r.doubt.Store(&now)
	}
}

// lookup is what both layers know of a reader's user. hit names the layer that
// proves an empty answer, if any.
type lookup struct {
	local, shared Lookup
	asked         time.Time // before the layers were
	hit           string
	vouched       bool
}

func (r *Reader) lookup(ctx context.Context, user, after string, now time.Time) (l lookup) {
	stand := backend.NewStand(user, after)
	l.asked = now
	l.local = r.Local.Get(ctx, user)
	fresh := r.within(l.local, l.asked)
	if l.vouched = !fresh && l.local.Result == Found && r.Vouches(l.local.read(l.asked)); l.vouched {
		fresh = true
	}
	r.judge(&l, Local, l.local, fresh, after, stand)
	if l.hit == "" && r.Shared != nil {
		l.shared = r.Shared.Get(ctx, user)
		fresh = r.within(l.shared, l.asked) && !r.doubts(l.shared.read(l.asked))
		r.judge(&l, Shared, l.shared, fresh, after, stand)
	}
	return l
}

// judge says how a lookup ended. A reader without a place gets the newest page,
// whatever is known.
func (r *Reader) judge(l *lookup, layer string, found Lookup, fresh bool, after string, stand backend.Stand) {
	if after == "" {
		return
	}
	result := found.Result
	switch {
	case result != Found:
	case !fresh:
		result = Stale
	case !found.Latest.Proves(stand):
		result = Differs
	default:
		result, l.hit = Hit, layer
	}
	r.Observer.Looked(layer, result)
}

// within tells whether an entry is young enough by itself.
func (r *Reader) within(l Lookup, asked time.Time) bool {
	return l.Age >= 0 && l.Age <= r.Bound(l.read(asked))
}

// doubts tells whether what the shared cache has of a read may be what it failed
// to forget.
func (r *Reader) doubts(read time.Time) bool {
	doubt := r.doubt.Load()
	return doubt != nil && !read.After(*doubt)
}

// read is the moment at which the read behind an entry began, by our clock, or
// one before it: the cache told the age after it was asked.
func (l Lookup) read(asked time.Time) time.Time { return asked.Add(-l.Age) }

// read asks the source, and stores what it showed.
func (r *Reader) read(ctx context.Context, c backend.Caller, q backend.Query, l lookup) (backend.Page, error) {
	page, err := r.Source.Read(ctx, c, q)
	if err == nil && page.Latest != nil {
		r.Local.Put(ctx, c.User, l.local.Ticket, *page.Latest)
		if r.Shared != nil {
			r.Shared.Put(ctx, c.User, l.shared.Ticket, *page.Latest)
		}
	}
	return page, err
}
