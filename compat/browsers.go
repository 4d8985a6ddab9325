package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/internal/bounded"
)

// Browsers keeps what is remembered of browsers. Losing it loses no
// notification, but makes a reconnect repeat or, beyond 20 items, skip what is
// then left to the activity page.
type Browsers interface {
	// Update changes one browser; changes of the same browser do not overlap, but
	// change may be called several times until its result could be stored.
	Update(ctx context.Context, browser string, change func(*Browser)) error
}

const (
	// browsersKept is how many browsers a process remembers.
	browsersKept = 1 << 16
	// browserLife is how long a browser is remembered after its last stream.
	browserLife = 24 * time.Hour

	browserPrefix = "sluice:b:"
	// attempts is how often an update is tried when other gateways interfere.
	attempts = 5
)

// Memory keeps browsers in this process.
type Memory struct {
	known *bounded.Map[[]byte]
}

// NewMemory keeps the browsers seen of late.
func NewMemory() *Memory { return &Memory{bounded.New[[]byte](browsersKept)} }

// Update implements Browsers.
func (m *Memory) Update(_ context.Context, browser string, change func(*Browser)) (err error) {
	m.known.Change(browser, func(stored []byte, _ bool) []byte {
		next, failed := changed(stored, change)
		if err = failed; err != nil {
			return stored
		}
		return next
	})
	return err
}

// Redis keeps browsers for all gateways, so that a tab may come back to another.
type Redis struct {
	client  redis.UniversalClient
	timeout time.Duration
}

// NewRedis keeps browsers in Redis; the client stays the caller's. timeout bounds
// one update as a whole.
func NewRedis(client redis.UniversalClient, timeout time.Duration) *Redis {
	return &Redis{client, timeout}
}

// Update implements Browsers, as an optimistic transaction.
func (r *Redis) Update(ctx context.Context, browser string, change func(*Browser)) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	key := browserPrefix + browser
	attempt := func(tx *redis.Tx) error {
		stored, err := tx.Get(ctx, key).Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		next, err := changed(stored, change)
		if err != nil || bytes.Equal(next, stored) {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			return p.Set(ctx, key, next, browserLife).Err()
		})
		return err
	}
	var err error
	for range attempts {
		if err = r.client.Watch(ctx, attempt, key); !errors.Is(err, redis.TxFailedErr) {
			return err
		}
	}
	return err
}

// changed applies a change to a stored browser. What cannot be read is as good
// as nothing, and of nothing nothing is stored.
func changed(stored []byte, change func(*Browser)) ([]byte, error) {
	var b Browser
	if json.Unmarshal(stored, &b) != nil {
		b = Browser{}
	}
	change(&b)
	if b.empty() {
		return stored, nil
	}
	return json.Marshal(b)
}
