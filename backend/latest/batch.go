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

// batches run scripts for many polls at the same time in one round trip: to write to a
// connection and read from it costs several times what Redis takes to answer. A poll
// that comes alone waits for nobody.
type batches struct {
	client  *redis.Client
	timeout time.Duration // of one call, with the wait for its round trip

	mu      sync.Mutex
	waiting []*scriptCall
	running int
}

// scriptCall is what one poll wants of one key.
type scriptCall struct {
	script *redis.Script
	key    string
	args   []any
	due    time.Time // when its time is up
	answer *redis.Cmd
	done   chan struct{}
}

// run runs a script for a key.
func (b *batches) run(ctx context.Context, script *redis.Script, key string, args ...any) (any, error) {
	c := &scriptCall{script: script, key: key, args: args, done: make(chan struct{})}
	b.mu.Lock()
	c.due = time.Now().Add(b.timeout)
	b.waiting = append(b.waiting, c)
	start := b.running < mostBatches
	if start {
		b.running++
	}
	b.mu.Unlock()
	if start {
		go b.work()
	}
	select {
	case <-c.done:
		return c.answer.Result()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// work asks until nobody waits.
func (b *batches) work() {
	deep()
	for batch := b.next(); batch != nil; batch = b.next() {
		b.ask(batch)
	}
}

func (b *batches) next() (batch []*scriptCall) {
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

func (b *batches) ask(batch []*scriptCall) {
	ctx, cancel := context.WithDeadline(context.Background(), batch[0].due)
	defer cancel()
	_, _ = b.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each answer has its error
		for _, c := range batch {
			c.answer = c.script.EvalSha(ctx, p, []string{c.key}, c.args...)
		}
		return nil
	})
	for _, c := range batch {
		if redis.HasErrorPrefix(c.answer.Err(), "NOSCRIPT") { // Redis is new, and learns it by this
			c.answer = c.script.Eval(ctx, b.client, []string{c.key}, c.args...)
		}
		close(c.done)
	}
}
