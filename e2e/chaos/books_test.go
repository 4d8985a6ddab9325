package chaos

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// books are what the app wrote, and what happened to polls, by phase: what was
// broken at the time.
type books struct {
	mu     sync.Mutex
	rows   map[string]*row // by id
	phases []*phase
	last   time.Time // when a poll failed last
}

// row is what is known of a row that was written, or meant to be.
type row struct {
	user      string
	late      bool      // older, when it became visible, than the tail looks
	committed time.Time // zero: the app was not told
	deleted   bool      // or about to be
}

type phase struct {
	name  string
	from  time.Time
	calm  bool // polls must not fail
	polls []time.Duration
	fails int
	first error // the first failure, or one that no outage excuses
}

func newBooks() *books { return &books{rows: map[string]*row{}} }

func (b *books) begin(name string, calm bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phases = append(b.phases, &phase{name: name, from: time.Now(), calm: calm})
}

// at is the phase at a moment; nil before the first.
func (b *books) at(moment time.Time) *phase {
	for _, p := range slices.Backward(b.phases) {
		if !moment.Before(p.from) {
			return p
		}
	}
	return nil
}

// polled notes a poll that began at a moment and ends now. Failures at the border
// of two phases are put down to the later one.
func (b *books) polled(began time.Time, failed error) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.at(began)
	if failed != nil {
		p = b.at(now)
	}
	if p == nil {
		return
	}
	p.polls = append(p.polls, now.Sub(began))
	if failed != nil {
		p.fails, b.last = p.fails+1, now
		if p.first == nil || errors.Is(p.first, errOutage) && !errors.Is(failed, errOutage) {
			p.first = failed
		}
	}
}

// failed is when a poll failed last.
func (b *books) failed() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// writing notes rows that are about to be written.
func (b *books) writing(user string, late bool, ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.rows[id] = &row{user: user, late: late}
	}
}

// committed notes rows of which the app was told that they are there.
func (b *books) committed(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.rows[id].committed = time.Now()
	}
}

// pickForDeletion chooses a row that is there, and notes that it may go.
func (b *books) pickForDeletion() (id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, r := range b.rows { // in random order
		if !r.committed.IsZero() && !r.deleted {
			r.deleted = true
			return id
		}
	}
	return ""
}
