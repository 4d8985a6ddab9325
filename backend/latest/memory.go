package latest

import (
	"context"
	"math/rand/v2"
	"time"

	"sluice/backend"
	"sluice/internal/bounded"
)

// Memory is a Cache in this process. It keeps the users who were active of late.
type Memory struct {
	start time.Time // reads on the monotonic clock count from here
	users *bounded.Map[entry]
}

// entry is what is kept of a user; at is 0 until a read has been stored.
type entry struct {
	nonce  uint64
	at     int64
	latest backend.Latest
}

// NewMemory keeps about so many users.
func NewMemory(users int) *Memory {
	return &Memory{time.Now(), bounded.New[entry](users)}
}

// now is in microseconds since just before the start, so that 0 means never.
func (m *Memory) now() int64 { return time.Since(m.start).Microseconds() + 1 }

// Get implements Cache.
func (m *Memory) Get(_ context.Context, user string) Lookup {
	now := m.now()
	e, ok := m.users.Get(user)
	if !ok {
		m.users.Change(user, func(kept entry, known bool) entry {
			if e = kept; !known {
				e.nonce = rand.Uint64()
			}
			return e
		})
	}
	l := Lookup{Result: Absent, Ticket: Ticket{e.nonce, now}}
	if e.at != 0 {
		l.Result, l.Latest, l.Age = Found, e.latest, time.Duration(now-e.at)*time.Microsecond
	}
	return l
}

// Put implements Cache. Of a user who was forgotten meanwhile nothing is kept.
func (m *Memory) Put(_ context.Context, user string, t Ticket, l backend.Latest) {
	m.users.ChangeKnown(user, func(kept entry) entry {
		if kept.nonce == t.nonce && t.at >= kept.at {
			return entry{t.nonce, t.at, l}
		}
		return kept
	})
}

// Forget implements Cache.
func (m *Memory) Forget(_ context.Context, users ...string) bool {
	for _, user := range users {
		m.users.Remove(user)
	}
	return true
}
