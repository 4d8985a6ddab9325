package latest

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"sluice/backend"
)

// shards spreads users over locks.
const shards = 64

// Memory is a Cache in this process. It keeps the most recently active users.
type Memory struct {
	start  time.Time // reads on the monotonic clock count from here
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	users *simplelru.LRU[string, entry]
}

// entry is what is kept of a user; at is 0 until a read has been stored.
type entry struct {
	nonce  uint64
	at     int64
	latest backend.Latest
}

// NewMemory keeps about so many users.
func NewMemory(users int) *Memory {
	m := &Memory{start: time.Now(), seed: maphash.MakeSeed()}
	for i := range m.shards {
		lru, err := simplelru.NewLRU[string, entry](max(1, users/shards), nil)
		if err != nil {
			panic(err) // only a size below 1 is refused
		}
		m.shards[i].users = lru
	}
	return m
}

// now is in microseconds since just before the start, so that 0 means never.
func (m *Memory) now() int64 { return time.Since(m.start).Microseconds() + 1 }

func (m *Memory) shard(user string) *shard {
	return &m.shards[maphash.String(m.seed, user)%shards]
}

// Get implements Cache.
func (m *Memory) Get(_ context.Context, user string) Lookup {
	now := m.now()
	s := m.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.users.Get(user)
	if !ok {
		e = entry{nonce: rand.Uint64()}
		s.users.Add(user, e)
	}
	l := Lookup{Result: Absent, Ticket: Ticket{e.nonce, now}}
	if e.at != 0 {
		l.Result, l.Latest, l.Age = Found, e.latest, time.Duration(now-e.at)*time.Microsecond
	}
	return l
}

// Put implements Cache.
func (m *Memory) Put(_ context.Context, user string, t Ticket, l backend.Latest) {
	s := m.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.users.Peek(user); ok && e.nonce == t.nonce && t.at >= e.at {
		s.users.Add(user, entry{t.nonce, t.at, l})
	}
}

// Forget implements Cache.
func (m *Memory) Forget(_ context.Context, users ...string) bool {
	for _, user := range users {
		s := m.shard(user)
		s.mu.Lock()
		s.users.Remove(user)
		s.mu.Unlock()
	}
	return true
}
