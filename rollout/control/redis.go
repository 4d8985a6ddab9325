package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Keys and channel in Redis. The braces keep the keys in one slot of a Cluster.
const (
	stateKey = "{sluice:rollout}:state"
	leaseKey = "{sluice:rollout}:lease"
	channel  = "sluice:rollout"
)

// Redis keeps the state for all replicas that share a Redis.
type Redis struct {
	client  redis.UniversalClient
	timeout time.Duration // of one operation
}

var _ Store = (*Redis)(nil)

// NewRedis uses client, which stays the caller's.
func NewRedis(client redis.UniversalClient, timeout time.Duration) *Redis {
	return &Redis{client, timeout}
}

// Load returns the state.
func (r *Redis) Load(ctx context.Context) (State, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	text, err := r.client.HGet(ctx, stateKey, "state").Bytes()
	if errors.Is(err, redis.Nil) {
		return State{}, false, nil
	}
	var s State
	if err == nil {
		s, err = decode(text)
	}
	if err != nil {
		return State{}, false, fmt.Errorf("the state of the rollout in Redis: %w", err)
	}
	return s, true, nil
}

// put takes a state only in place of the version before it, or of none; to
// restore, in place of any older one. It tells the other replicas.
var put = redis.NewScript(`
local have, new = tonumber(redis.call('HGET', KEYS[1], 'version') or ''), tonumber(ARGV[1])
if have and (ARGV[4] == 'save' and have ~= new - 1 or have >= new) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'state', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1`)

func (r *Redis) put(ctx context.Context, s State, how string) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	done, err := put.Run(ctx, r.client, []string{stateKey}, s.Version, text, channel, how).Int()
	switch {
	case err != nil:
		return fmt.Errorf("the state of the rollout in Redis: %w", err)
	case done == 0:
		return ErrConflict
	}
	return nil
}

// Save replaces the state.
func (r *Redis) Save(ctx context.Context, s State) error { return r.put(ctx, s, "save") }

// Restore replaces an older state, or none.
func (r *Redis) Restore(ctx context.Context, s State) error { return r.put(ctx, s, "restore") }

// lead sets or renews the lease.
var lead = redis.NewScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

// Lead asks for the lease. It only spares others the work: what keeps two leaders
// apart is that Save takes a version once.
func (r *Redis) Lead(ctx context.Context, me string, term time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	got, err := lead.Run(ctx, r.client, []string{leaseKey}, me, term.Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("the lease of the rollout in Redis: %w", err)
	}
	return got == 1, nil
}

// Changes listens for other replicas' saves.
func (r *Redis) Changes(ctx context.Context) <-chan struct{} {
	out := make(chan struct{}, 1)
	go func() {
		sub := r.client.Subscribe(ctx, channel)
		defer func() { _ = sub.Close() }() // there is nothing to be lost any more
		messages := sub.Channel()
		for {
			select {
			case <-ctx.Done():
				return
			case <-messages:
				select {
				case out <- struct{}{}:
				default:
				}
			}
		}
	}()
	return out
}
