// Package census counts who is still on the old stream: the distinct users who
// had it open within the last 24 hours. The old stream may be retired when there
// are none.
//
// The package promises that
//
//   - a user counts from the opening of a stream until 24 to 25 hours after its end,
//     however long it was open and over whichever gateway;
//   - what cannot be known is an error, never 0: Redis is down, or the last answer is old;
//   - Since says how long everybody was counted without a gap. Where Redis keeps the
//     count, that outlives restarts, and begins anew when Redis lost some of it;
//   - noting a stream is one entry in memory: nobody waits for Redis.
package census

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/go-redis/v9"
)

const (
	// window is how long a user counts after the end of their last stream.
	window = 24 * time.Hour
	// every is how often Redis is told and asked.
	every = 10 * time.Second
	// renew is how often Redis is told of a user whose stream stays open: more than
	// once in each of its hours.
	renew = 10 * time.Minute
	// believed is how long an answer of Redis is given at most.
	believed = 3 * every
	// most is how many users are kept in this process, at about 70 bytes each. Of more
	// than that the number is too low, and still not 0.
	most = 1 << 20
)

// Options of a Census.
type Options struct {
	Redis   redis.UniversalClient // counts for all gateways; nil: this process counts
	Timeout time.Duration         // of one operation of Redis
	// Failing, if not nil, is told when Redis begins to fail, and nil when it is back.
	Failing func(error)
}

// Count is how many users there were, and since when all of them were counted.
type Count struct {
	Users uint64
	Since time.Time
}

// Census counts users. It is safe for concurrent use.
type Census struct {
	options Options
	shared  *shared // nil without Redis
	start   time.Time
	most    int // users kept

	mu     sync.Mutex
	users  map[uint64]*visit // by the hash of their id
	answer Count             // of Redis
	at     time.Duration     // when it came, as in visit
	err    error             // why there is none
}

// visit is a user's presence. Its moments are durations since the census began.
type visit struct {
	open  int           // streams
	seen  time.Duration // when the last one was opened or ended
	noted time.Duration // when Redis was told last; 0: never
}

var (
	errNotYet = errors.New("not counted yet")
	errOld    = errors.New("not counted any more")
)

// New begins to count. With Redis, Run has to run.
func New(o Options) *Census {
	if o.Failing == nil {
		o.Failing = func(error) {}
	}
	// start lies a moment back, so that 0 is before everything that happens.
	c := &Census{options: o, start: time.Now().Add(-1), most: most, users: map[uint64]*visit{}, err: errNotYet}
	if o.Redis != nil {
		c.shared = &shared{o.Redis, o.Timeout}
	}
	return c
}

// Enter notes that a user has opened the old stream; leave is called at its end.
func (c *Census) Enter(user string) (leave func()) {
	id := xxhash.Sum64String(user)
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.users[id]
	if v == nil {
		if len(c.users) >= c.most {
			return func() {}
		}
		v = &visit{}
		c.users[id] = v
	}
	v.open++
	v.seen = time.Since(c.start)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		v.open--
		v.seen = time.Since(c.start)
	}
}

// Count is how many distinct users were on the old stream within the last 24
// hours. An error says why that is not known.
func (c *Census) Count() (Count, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.start)
	switch {
	case c.shared == nil:
		maps.DeleteFunc(c.users, func(_ uint64, v *visit) bool { return v.open == 0 && now-v.seen > window })
		return Count{uint64(len(c.users)), c.start}, nil
	case c.err != nil:
		return Count{}, c.err
	case now-c.at > believed:
		return Count{}, errOld
	}
	return c.answer, nil
}

// Run tells Redis of users, and asks it for their number, until ctx ends.
func (c *Census) Run(ctx context.Context) {
	if c.shared == nil {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for c.exchange(ctx); ; c.exchange(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.exchange(context.WithoutCancel(ctx)) // whoever came within the last moment
			return
		}
	}
}

// exchange tells Redis what it does not know yet, and asks it.
func (c *Census) exchange(ctx context.Context) {
	now := time.Since(c.start)
	due := c.due(now)
	answer, err := c.shared.count(ctx, due)
	c.mu.Lock()
	before := c.err
	c.err = err
	if err == nil {
		c.answer, c.at = answer, time.Since(c.start)
		c.told(due, now)
	}
	c.mu.Unlock()
	failed := before != nil && !errors.Is(before, errNotYet)
	if failed != (err != nil) {
		c.options.Failing(err)
	}
}

// due are the users that Redis has to be told of. What it could not be told stays
// due.
func (c *Census) due(now time.Duration) (ids []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, v := range c.users {
		if v.seen > v.noted || v.open > 0 && now-v.noted >= renew {
			ids = append(ids, id)
		}
	}
	return ids
}

// told forgets the users that Redis has now, unless they are still there.
func (c *Census) told(ids []uint64, now time.Duration) {
	for _, id := range ids {
		v := c.users[id]
		v.noted = now
		if v.open == 0 && v.seen <= now {
			delete(c.users, id)
		}
	}
}
