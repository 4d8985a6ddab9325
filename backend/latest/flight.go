package latest

import (
	"context"
	"sync"
	"time"

	"sluice/backend"
)

// flight is what must be equal for two polls to share one read: also the
// credential, so that a dead cookie in one tab never answers another.
type flight struct {
	caller backend.Caller
	query  backend.Query
	nonce  uint64 // of the user's entry in process: a new one after a change
}

// flights lets polls that ask the same at the same time share one read.
type flights struct {
	mu    sync.Mutex
	under map[flight]*call
}

type call struct {
	started time.Time
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	page    backend.Page
	err     error
}

// join runs read, or waits for one that is not older than what bound allows for
// its beginning. A read outlives
// the caller that started it as long as anybody waits for it.
func (f *flights) join(ctx context.Context, key flight, bound func(time.Time) time.Duration,
	read func(context.Context) (backend.Page, error)) (backend.Page, error) {
	c := f.enter(ctx, key, bound, read)
	select {
	case <-c.done:
		return c.page, c.err
	case <-ctx.Done():
		f.leave(key, c)
		return backend.Page{}, backend.Failed(ctx, backend.Canceled, "the caller went away", ctx.Err())
	}
}

func (f *flights) enter(ctx context.Context, key flight, bound func(time.Time) time.Duration,
	read func(context.Context) (backend.Page, error)) *call {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.under[key]; c != nil && time.Since(c.started) <= bound(c.started) {
		c.waiting++
		return c
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &call{started: time.Now(), waiting: 1, cancel: cancel, done: make(chan struct{})}
	if f.under == nil {
		f.under = make(map[flight]*call)
	}
	f.under[key] = c
	go func() {
		deep()
		defer cancel()
		c.page, c.err = read(ctx)
		f.forget(key, c)
		close(c.done)
	}()
	return c
}

// leave ends a read that nobody waits for.
func (f *flights) leave(key flight, c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		f.drop(key, c)
		c.cancel()
	}
}

func (f *flights) forget(key flight, c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(key, c)
}

func (f *flights) drop(key flight, c *call) {
	if f.under[key] == c {
		delete(f.under, key)
	}
}
