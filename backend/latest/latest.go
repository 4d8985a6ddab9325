// Package latest answers empty polls without asking the source. It keeps, per
// user, what the last read showed (backend.Latest), and answers "nothing new"
// only when that is fresh and the reader stands at exactly that place; anything
// else reads the source.
//
// An entry is as old as the start of the read it came from, by the cache's own
// clock. It is fresh while that age is within the bound, or, in process only,
// while the feed vouches that nothing has changed since. Each entry has a nonce;
// a read's result is stored only if the nonce is still the one that was there
// when the read began, so that Forget fences off reads that are under way.
// Whatever goes wrong in a cache is a miss.
package latest

import (
	"context"
	"time"

	"sluice/backend"
)

// Cache keeps one entry per user. Implementations are safe for concurrent use
// and never return an error: a cache that fails has missed.
type Cache interface {
	// Get looks a user up in one round trip.
	Get(ctx context.Context, user string) Lookup
	// Put stores what a read showed that began after the lookup whose ticket this
	// is; it does nothing if the entry was forgotten since.
	Put(ctx context.Context, user string, t Ticket, l backend.Latest)
	// Forget drops users' entries after a change, and fences off reads under way. It
	// reports whether it is certain to have done so.
	Forget(ctx context.Context, users ...string) bool
}

// Lookup is what Get found.
type Lookup struct {
	Result Result
	Latest backend.Latest // for Found
	Age    time.Duration  // since the start of the read behind Latest; negative when a clock went back
	Ticket Ticket
}

// Ticket lets one read store its result: the entry's nonce, and the cache's
// clock before the read began. The zero Ticket stores nothing.
type Ticket struct {
	nonce uint64
	at    int64 // microseconds by the cache's clock
}

// Result is how a poll's lookup ended.
type Result string

// The results of a lookup. A cache returns Found, Absent or Failed; Reader
// refines Found.
const (
	Found   Result = "found"
	Absent  Result = "absent"  // no entry yet
	Failed  Result = "failed"  // the cache did not answer, or not sensibly
	Hit     Result = "hit"     // answered from the cache
	Stale   Result = "stale"   // older than the bound and not vouched for, or perhaps to be forgotten
	Differs Result = "differs" // fresh, but the reader stands elsewhere
)

// The layers of the cache: in this process, and shared by all gateways.
const (
	Local  = "memory"
	Shared = "redis"
)
