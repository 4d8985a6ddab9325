package latest

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/backend"
)

const (
	prefix = "sluice:latest:"
	// garbage is when Redis may drop an entry that nobody has stored again. It is
	// never what bounds staleness: the time in the entry is.
	garbage = 10 * time.Minute
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
	client *redis.Client
}

// go-redis writes to standard error by itself; what it has to say reaches the
// operator as lookups that failed.
func init() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// NewRedis prepares a cache at a redis://, rediss:// or unix:// address; it does
// not connect. timeout bounds each step of a round trip; nothing is tried twice.
func NewRedis(url string, timeout time.Duration) (*Redis, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("redis.url: not an address such as redis://host:6379/0") // the cause would show the password
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	return &Redis{redis.NewClient(o)}, nil
}

// Get implements Cache.
func (r *Redis) Get(ctx context.Context, user string) Lookup {
	fresh := binary.BigEndian.AppendUint64(nil, rand.Uint64())
	reply, err := getScript.Run(ctx, r.client, []string{prefix + user}, fresh, garbage.Milliseconds()).Slice()
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
	at, latest, ok := decode(value[nonceLength:], user)
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
	_ = putScript.Run(ctx, r.client, []string{prefix + user}, value[:nonceLength], value, garbage.Milliseconds()).Err()
}

// Forget implements Cache.
func (r *Redis) Forget(ctx context.Context, user string) { _ = r.client.Del(ctx, prefix+user).Err() }

// Ping implements Cache.
func (r *Redis) Ping(ctx context.Context) error { return r.client.Ping(ctx).Err() }

// Close implements Cache.
func (r *Redis) Close() error { return r.client.Close() }

// decodeReply takes apart what get.lua returns: the value, seconds, microseconds.
func decodeReply(reply []any) (value string, now int64, err error) {
	var seconds, micros int64
	if len(reply) == 3 {
		value, _ = reply[0].(string)
		seconds, _ = reply[1].(int64)
		micros, _ = reply[2].(int64)
	}
	if len(value) < nonceLength || seconds == 0 {
		return "", 0, fmt.Errorf("unexpected reply of %d parts", len(reply))
	}
	return value, seconds*1e6 + micros, nil
}
