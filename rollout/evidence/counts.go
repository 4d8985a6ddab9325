// Package evidence measures what a rollout's checks ask for: from the counters
// of all gateways, or from Prometheus.
//
// Every gateway publishes its counters, which only grow, every few seconds, and
// keeps what it sees of all of them in a [History], whether it leads or not: a new
// leader knows what the old one knew. A gateway that restarts has a new name, and
// so counts from 0 again: nothing is counted twice. Lost is only what a gateway
// counted after it last published, and most of what one counted that could not publish
// for minutes.
package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Every is how often a gateway should publish its counts.
const Every = 2 * time.Second

// Counts are what one gateway has counted since it started, by name.
type Counts map[string]float64

// The names of counts.
const (
	// Uptime is how long the gateway has counted, in seconds. It is no count: it tells
	// what is new of a gateway that was not seen before.
	Uptime        = "uptime"
	PollsOK       = "polls_ok"     // answered with 200
	PollsFailed   = "polls_failed" // the source's fault, not the client's
	Audits        = "audits"
	FalseEmpties  = "false_empties"
	SourceReads   = "source_reads"
	Compared      = "shadow_compared"
	Missed        = "shadow_missed"
	Extra         = "shadow_extra"
	StreamsEnded  = "streams_ended"  // of old pages, not by their readers: each is an error to its user
	StreamSeconds = "stream_seconds" // that old pages' streams were open, all together
	// Staleness is a prefix: of the count of items whose staleness was at most the
	// edge that follows, in seconds; transport and edge are joined by a colon.
	Staleness = "staleness:"
)

// Report is what a gateway has published, so long ago.
type Report struct {
	Counts Counts
	Age    time.Duration
}

// Exchange is where gateways see each other's counts.
type Exchange interface {
	Publish(ctx context.Context, me string, c Counts) error
	// All returns the latest report of each gateway that has published lately.
	All(ctx context.Context) (map[string]Report, error)
}

// Alone is the exchange of a single gateway. The zero value is ready.
type Alone struct {
	mu sync.Mutex
	me string
	c  Counts
}

// Publish keeps c.
func (a *Alone) Publish(_ context.Context, me string, c Counts) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.me, a.c = me, c
	return nil
}

// All returns it.
func (a *Alone) All(context.Context) (map[string]Report, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.c == nil {
		return nil, nil
	}
	return map[string]Report{a.me: {Counts: a.c}}, nil
}

// countsKey holds the counts of all gateways, by name.
const countsKey = "{sluice:rollout}:counts"

// forgotten is when a gateway that publishes no more is taken for gone.
const forgotten = 10 * time.Minute

// Shared is the exchange of gateways that share a Redis. Times are Redis's own,
// so that gateways need not agree on one.
type Shared struct {
	Client  redis.UniversalClient
	Timeout time.Duration
}

type published struct {
	At     int64  `json:"at"` // Unix seconds
	Counts Counts `json:"counts"`
}

var publish = redis.NewScript(`
redis.call('HSET', KEYS[1], ARGV[1], '{"at":' .. redis.call('TIME')[1] .. ',"counts":' .. ARGV[2] .. '}')
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1`)

// Publish writes c where others find it.
func (s *Shared) Publish(ctx context.Context, me string, c Counts) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := publish.Run(ctx, s.Client, []string{countsKey}, me, text, int(2*forgotten/time.Second)).Err(); err != nil {
		return fmt.Errorf("the counts of this gateway in Redis: %w", err)
	}
	return nil
}

var all = redis.NewScript(`return {redis.call('TIME')[1], redis.call('HGETALL', KEYS[1])}`)

// All reads what all have published, and removes what is old.
func (s *Shared) All(ctx context.Context) (map[string]Report, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	now, fields, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("the counts of the gateways in Redis: %w", err)
	}
	reports := map[string]Report{}
	for i := 0; i+1 < len(fields); i += 2 {
		name, text := fmt.Sprint(fields[i]), fmt.Sprint(fields[i+1])
		var p published
		err := json.Unmarshal([]byte(text), &p)
		age := time.Duration(now-p.At) * time.Second
		if err != nil || age > forgotten {
			_ = s.Client.HDel(ctx, countsKey, name).Err() // or the next look does
			continue
		}
		reports[name] = Report{p.Counts, max(age, 0)}
	}
	return reports, nil
}

func (s *Shared) read(ctx context.Context) (now int64, fields []any, err error) {
	answer, err := all.Run(ctx, s.Client, []string{countsKey}).Slice()
	if err != nil {
		return 0, nil, err
	}
	if len(answer) == 2 {
		fields, _ = answer[1].([]any)
		_, err = fmt.Sscan(fmt.Sprint(answer[0]), &now)
	}
	return now, fields, err
}
