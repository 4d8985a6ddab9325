package scale

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sluice/backend"
	"sluice/backend/latest"
)

// What an entry and each command cost, measured with the real client and server: a test
// measures them anew, and fails if they differ by more than a tenth.
const (
	// entryBytes of a primary's memory, its tables and expiry included: docs/soak.md,
	// with a million users.
	entryBytes = 177
	// Bytes to the server and back.
	getBytes    = 206
	putBytes    = 184
	unlinkBytes = 53
	// entryLife is how long an entry stays that nobody stores again: backend/latest, garbage.
	entryLife = 10 * time.Minute
)

// redisModel is latest.Redis and its server, as far as decisions go: an entry is one in
// latest.Memory, which keeps the same rules, for everybody. Only of two reads under way
// at once Memory keeps the later, and Redis the last to be stored. A test lets both do the
// same, and compares what they answer, what they count and what they keep.
type redisModel struct {
	entries *latest.Memory
	down    atomic.Bool

	gets, puts, unlinks atomic.Int64

	mu      sync.Mutex
	expires []time.Duration // of each user's entry, since the start; 0: there is none
	start   time.Time
}

func newRedisModel(users int) *redisModel {
	return &redisModel{entries: latest.NewMemory(4*users + 1024), expires: make([]time.Duration, users), start: time.Now()}
}

// Get implements latest.Cache.
func (r *redisModel) Get(ctx context.Context, user string) latest.Lookup {
	if r.down.Load() {
		return latest.Lookup{Result: latest.Failed}
	}
	r.gets.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	now, expires := time.Since(r.start), &r.expires[number(user)]
	if *expires < now {
		r.entries.Forget(ctx, user)
		*expires = now + entryLife
	}
	return r.entries.Get(ctx, user)
}

// Put implements latest.Cache.
func (r *redisModel) Put(ctx context.Context, user string, t latest.Ticket, l backend.Latest) {
	if r.down.Load() || t == (latest.Ticket{}) {
		return
	}
	r.puts.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if now, expires := time.Since(r.start), &r.expires[number(user)]; *expires >= now {
		r.entries.Put(ctx, user, t, l)
		*expires = now + entryLife
	}
}

// Forget implements latest.Cache.
func (r *redisModel) Forget(ctx context.Context, users ...string) bool {
	if r.down.Load() {
		return false
	}
	r.unlinks.Add(int64(len(users)))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, user := range users {
		r.expires[number(user)] = 0
	}
	return r.entries.Forget(ctx, users...)
}

// keys is how many entries there are.
func (r *redisModel) keys() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Since(r.start)
	for _, at := range r.expires {
		if at >= now && at > 0 {
			n++
		}
	}
	return n
}

// lose empties it, as a restart does.
func (r *redisModel) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.expires)
}
