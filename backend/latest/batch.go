package latest

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// mostBatches is how many round trips are under way at a time: while one is, what
	// comes meanwhile gathers for the next. Two, so that one that is slow holds up half.
	mostBatches = 2
	// mostInBatch keeps a batch to some 10 KB.
	mostInBatch = 128
)

// batches ask one server what many polls want to know at the same time, in one round
// trip: to write to a connection and read from it costs several times what Redis takes
// to answer. A poll that comes alone waits for nobody.
type batches struct {
	client  *redis.Client
	timeout time.Duration // of one round trip

	mu      sync.Mutex
	waiting []*lookupCall
	running int
}

// lookupCall is one poll's question.
type lookupCall struct {
	key    string
	fresh  []byte // the nonce of a new entry
	answer *redis.Cmd
	done   chan struct{}
}

// get runs get.lua for a key.
func (b *batches) get(ctx context.Context, key string, fresh []byte) (any, error) {
	c := &lookupCall{key: key, fresh: fresh, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, c)
	start := b.running < mostBatches
	if start {
		b.running++
	}
	b.mu.Unlock()
	if start {
		go b.run()
	}
	select {
	case <-c.done:
		return c.answer.Result()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run asks until nobody waits.
func (b *batches) run() {
	for batch := b.next(); batch != nil; batch = b.next() {
		b.ask(batch)
	}
}

func (b *batches) next() (batch []*lookupCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running--
		return nil
	}
	n := min(len(b.waiting), mostInBatch)
	batch, b.waiting = b.waiting[:n:n], b.waiting[n:]
	if len(b.waiting) == 0 {
		b.waiting = nil // or those that were answered would be kept
	}
	return batch
}

func (b *batches) ask(batch []*lookupCall) {
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
	defer cancel()
	_, _ = b.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each answer has its error
		for _, c := range batch {
			c.answer = getScript.EvalSha(ctx, p, []string{c.key}, c.fresh, garbage.Milliseconds())
		}
		return nil
	})
	for _, c := range batch {
		if redis.HasErrorPrefix(c.answer.Err(), "NOSCRIPT") { // Redis is new, and learns it by this
			c.answer = getScript.Eval(ctx, b.client, []string{c.key}, c.fresh, garbage.Milliseconds())
		}
		close(c.done)
	}
}
