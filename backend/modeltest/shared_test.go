package modeltest

import (
	"context"
	"maps"
	"sync"
	"time"

	"sluice/backend"
	"sluice/backend/latest"
)

// shared stands in for Redis, whose sockets do not work in fake time: one state
// for all gateways, with a clock of its own. It can be unreachable, lose entries,
// and be replaced by a replica that has fallen behind.
type shared struct {
	mu      sync.Mutex
	down    bool
	skew    time.Duration // of its clock
	entries map[string]record
	replica map[string]record
	nonces  uint64
	tickets map[latest.Ticket]ticket
	mint    *latest.Memory // tickets are opaque: this makes them
	lost    time.Time      // when it last lost news of a change
}

type record struct {
	nonce  uint64
	at     time.Time // zero: nothing stored
	latest backend.Latest
}

type ticket struct {
	nonce uint64
	at    time.Time
}

func newShared(skew time.Duration) *shared {
	return &shared{skew: skew, entries: map[string]record{}, tickets: map[latest.Ticket]ticket{}, mint: latest.NewMemory(1)}
}

func (s *shared) now() time.Time { return time.Now().Add(s.skew) }

// Get implements latest.Cache, like get.lua.
func (s *shared) Get(ctx context.Context, user string) latest.Lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return latest.Lookup{Result: latest.Failed}
	}
	e, ok := s.entries[user]
	if !ok {
		s.nonces++
		e = record{nonce: s.nonces}
		s.entries[user] = e
	}
	s.mint.Forget(ctx, "")
	l := latest.Lookup{Result: latest.Absent, Ticket: s.mint.Get(ctx, "").Ticket}
	s.tickets[l.Ticket] = ticket{e.nonce, s.now()}
	if !e.at.IsZero() {
		l.Result, l.Latest, l.Age = latest.Found, e.latest, s.now().Sub(e.at)
	}
	return l
}

// Put implements latest.Cache, like put.lua.
func (s *shared) Put(_ context.Context, user string, t latest.Ticket, l backend.Latest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, ok := s.tickets[t]
	if !s.down && ok && s.entries[user].nonce == from.nonce {
		s.entries[user] = record{from.nonce, from.at, l}
	}
}

// Forget implements latest.Cache.
func (s *shared) Forget(_ context.Context, users ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		s.lost = time.Now()
		return false
	}
	for _, user := range users {
		delete(s.entries, user)
	}
	return true
}

func (s *shared) evict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entries)
}

// replicate brings the replica up to date.
func (s *shared) replicate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replica = maps.Clone(s.entries)
}

// promote makes the replica the server: what it had not heard of is undone. Its
// clock may be another.
func (s *shared) promote(step time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = maps.Clone(s.replica)
	if s.entries == nil {
		s.entries = map[string]record{}
	}
	s.skew += step
	s.lost = time.Now()
}

func (s *shared) reach(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *shared) lastLoss() time.Time {
	if s == nil {
		return time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}
