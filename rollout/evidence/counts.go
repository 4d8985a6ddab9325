// Package evidence measures what a rollout's checks ask for: from the counters
// of all gateways, or from Prometheus.
//
// Every gateway publishes its counters, which only grow, every few seconds. Who
// leads the rollout keeps what it has seen of them and answers with what was
// added over a time: counters of a gateway that restarts begin at 0 under a new
// name, so nothing is lost or counted twice but what it counted since it last
// published.
package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Counts are what one gateway has counted since it started, by name.
type Counts map[string]float64

// The names of counts.
const (
	PollsOK       = "polls_ok"     // answered with 200
	PollsFailed   = "polls_failed" // the source's fault, not the client's
	Audits        = "audits"
	FalseEmpties  = "false_empties"
	SourceReads   = "source_reads"
	Compared      = "shadow_compared"
	Missed        = "shadow_missed"
	Extra         = "shadow_extra"
	StreamsOpened = "streams_opened" // by old pages
	StreamSeconds = "stream_seconds" // that old pages' streams were open, all together
	// Staleness is a prefix: of the count of items whose staleness was at most the
	// edge that follows, in seconds; transport and edge are joined by a colon.
	Staleness = "staleness:"
)

// Exchange is where gateways see each other's counts.
type Exchange interface {
	Publish(ctx context.Context, me string, c Counts) error
	// All returns the latest counts of each gateway that has published lately.
	All(ctx context.Context) (map[string]Counts, error)
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
func (a *Alone) All(context.Context) (map[string]Counts, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.c == nil {
		return nil, nil
	}
	return map[string]Counts{a.me: a.c}, nil
}

// countsKey holds the counts of all gateways, by name.
const countsKey = "{sluice:rollout}:counts"

// forgotten is when a gateway that publishes no more is taken for gone.
const forgotten = 10 * time.Minute

// Shared is the exchange of gateways that share a Redis.
type Shared struct {
	Client  redis.UniversalClient
	Timeout time.Duration
}

type published struct {
	At     int64  `json:"at"` // Unix seconds
	Counts Counts `json:"counts"`
}

// Publish writes c where others find it.
func (s *Shared) Publish(ctx context.Context, me string, c Counts) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	text, err := json.Marshal(published{time.Now().Unix(), c})
	if err != nil {
		return err
	}
	pipe := s.Client.Pipeline()
	pipe.HSet(ctx, countsKey, me, text)
	pipe.Expire(ctx, countsKey, 2*forgotten)
	_, err = pipe.Exec(ctx)
	return err
}

// All reads what all have published, and removes what is old.
func (s *Shared) All(ctx context.Context) (map[string]Counts, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	fields, err := s.Client.HGetAll(ctx, countsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("the counts of the gateways: %w", err)
	}
	all := map[string]Counts{}
	for name, text := range fields {
		var p published
		if err := json.Unmarshal([]byte(text), &p); err != nil || time.Since(time.Unix(p.At, 0)) > forgotten {
			s.Client.HDel(ctx, countsKey, name)
			continue
		}
		all[name] = p.Counts
	}
	return all, nil
}

// History is what a leader has seen of all gateways' counts. It may be used
// concurrently.
type History struct {
	mu    sync.Mutex
	seen  []sight // oldest first
	reach time.Duration
}

type sight struct {
	at     time.Time
	counts map[string]Counts
}

// NewHistory keeps what was seen for as long as reach.
func NewHistory(reach time.Duration) *History { return &History{reach: reach} }

// See notes what the gateways have counted at a time.
func (h *History) See(at time.Time, counts map[string]Counts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.seen); n > 0 {
		counts = withGone(h.seen[n-1].counts, counts)
	}
	h.seen = append(h.seen, sight{at, counts})
	// The last one before the reach is needed: it is where a time that long begins.
	for len(h.seen) > 1 && at.Sub(h.seen[1].at) >= h.reach {
		h.seen = h.seen[1:]
	}
}

// withGone keeps the last counts of gateways that are gone: what they counted
// was counted.
func withGone(before, now map[string]Counts) map[string]Counts {
	all := maps.Clone(before)
	maps.Copy(all, now)
	return all
}

// Forget drops all: what another leader saw meanwhile is not known.
func (h *History) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = nil
}

// Since is what all gateways together have counted since a time, and over how
// long that was seen; nothing when that is not known yet.
func (h *History) Since(t time.Time) (Counts, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) < 2 {
		return nil, 0
	}
	from, to := h.seen[0], h.seen[len(h.seen)-1]
	for _, s := range h.seen {
		if s.at.After(t) {
			break
		}
		from = s
	}
	added := Counts{}
	for gateway, counts := range to.counts {
		for name, v := range counts {
			added[name] += v - from.counts[gateway][name]
		}
	}
	return added, to.at.Sub(from.at)
}
