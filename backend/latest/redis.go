package latest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"sluice/backend"
)

const (
	prefix = "sluice:l:"
	// longUser is from where on a user's key holds a hash instead of the id: an
	// entry shall not grow with it. The value's own check tells users apart.
	longUser = 16
	// garbage is when Redis may drop an entry that nobody has stored again. It is
	// never what bounds staleness: the time in the entry is.
	garbage = 10 * time.Minute

	// After so many failures in a row Redis is left alone for a while, so that a
	// Redis that hangs does not cost every poll its time-out.
	failuresToTrip = 5
	restAfterTrip  = time.Second
)

var (
	//go:embed get.lua
	getSource string
	//go:embed put.lua
	putSource string

	getScript = redis.NewScript(getSource)
	putScript = redis.NewScript(putSource)
)

// Redis is a Cache shared by all gateways. Its clock is Redis TIME, so that the
// gateways' own clocks do not matter.
type Redis struct {
	client  redis.UniversalClient
	batches *batches // nil for a Cluster, where one node that hangs would hold up users of all
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[any]
}

// NewRedis makes a cache of a client, which stays the caller's. timeout bounds
// each operation as a whole.
func NewRedis(client redis.UniversalClient, timeout time.Duration) *Redis {
	r := &Redis{client: client, timeout: timeout, breaker: gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Timeout:     restAfterTrip,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToTrip },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) }, // the caller went away
	})}
	if one, ok := client.(*redis.Client); ok {
		r.batches = &batches{client: one, timeout: timeout}
	}
	return r
}

// Get implements Cache.
func (r *Redis) Get(ctx context.Context, user string) Lookup {
	fresh := binary.BigEndian.AppendUint64(nil, rand.Uint64())
	reply, err := r.script(ctx, getScript, user, fresh, garbage.Milliseconds())
	if err != nil {
		return Lookup{Result: Failed}
	}
	value, now, err := decodeReply(reply)
	if err != nil {
		return Lookup{Result: Failed}
	}
	l := Lookup{Result: Absent, Ticket: Ticket{binary.BigEndian.Uint64([]byte(value)), now}}
	if len(value) == nonceLength {
		return l
	}
	at, latest, ok := decode(value, user)
	if !ok {
		l.Result = Failed // with a ticket, so that the next read heals the entry
		return l
	}
	l.Result, l.Latest, l.Age = Found, latest, time.Duration(now-at)*time.Microsecond
	return l
}

// Put implements Cache.
func (r *Redis) Put(ctx context.Context, user string, t Ticket, l backend.Latest) {
	if t == (Ticket{}) {
		return
	}
	value := encode(t, user, l)
	// A result that cannot be stored is a result not stored: the next poll reads the source.
	_, _ = r.script(ctx, putScript, user, value[:nonceLength], value, garbage.Milliseconds())
}

// Forget implements Cache. The keys go one by one, since in a Cluster they lie
// on several nodes.
func (r *Redis) Forget(ctx context.Context, users ...string) bool {
	_, err := r.do(ctx, func(ctx context.Context) (any, error) {
		return r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, user := range users {
				p.Unlink(ctx, key(user))
			}
			return nil
		})
	})
	return err == nil
}

// Ping reports whether Redis can be reached.
func (r *Redis) Ping(ctx context.Context) error { return r.client.Ping(ctx).Err() }

// script runs one for a user's key.
func (r *Redis) script(ctx context.Context, script *redis.Script, user string, args ...any) (any, error) {
	if r.batches != nil {
		return r.breaker.Execute(func() (any, error) { return r.batches.run(ctx, script, key(user), args...) })
	}
	return r.do(ctx, func(ctx context.Context) (any, error) {
		return script.Run(ctx, r.client, []string{key(user)}, args...).Result()
	})
}

// do runs one operation within the time-out, unless Redis is being left alone.
func (r *Redis) do(ctx context.Context, operation func(context.Context) (any, error)) (any, error) {
	return r.breaker.Execute(func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		return operation(ctx)
	})
}

func key(user string) string {
	if len(user) <= longUser {
		return prefix + user
	}
	sum := sha256.Sum256([]byte(user))
	return prefix + string(sum[:longUser])
}

// decodeReply takes apart what get.lua returns: the value, seconds, microseconds.
func decodeReply(reply any) (value string, now int64, err error) {
	parts, _ := reply.([]any)
	var seconds, micros int64
	if len(parts) == 3 {
		value, _ = parts[0].(string)
		seconds, _ = parts[1].(int64)
		micros, _ = parts[2].(int64)
	}
	if len(value) < nonceLength || seconds == 0 {
		return "", 0, fmt.Errorf("unexpected reply of %d parts", len(parts))
	}
	return value, seconds*1e6 + micros, nil
}
