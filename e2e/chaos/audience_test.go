package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// gathering is how many clients there are, and how busy they are and the app.
type gathering struct {
	users   int
	tabs    int           // users who poll twice
	holders int           // users who also hold a stream
	arrive  time.Duration // over which they come
	pace    time.Duration // between two polls of a client, more or less
	write   time.Duration // between two single rows
}

// few make some 300 polls a second.
var few = gathering{users: 36, tabs: 4, holders: 12, pace: 130 * time.Millisecond, write: 100 * time.Millisecond}

const (
	// bound is the staleness bound, and vouched how long the tail's word counts,
	// which is what bounds rows that it cannot see. slack is for this test's clocks.
	bound, vouched = 30 * time.Second, time.Minute
	slack          = 3 * time.Second
)

// audience is the users' clients, and the writers they hear of.
type audience struct {
	*world
	t                  *testing.T
	writers            *writers
	pollers, streamers readers
	stop               chan struct{}
	once               sync.Once
	reading            sync.WaitGroup
	hangUp             func()
}

// readers are grouped by their users.
type readers []*reader

// of are the readers of one user.
func (all readers) of(user string) readers {
	first, found := slices.BinarySearchFunc(all, user, func(r *reader, user string) int { return strings.Compare(r.user, user) })
	if !found {
		return nil
	}
	last := first
	for last < len(all) && all[last].user == user {
		last++
	}
	return all[first:last]
}

// gather starts all clients, waits until each stands somewhere, and then lets the
// app write.
func (w *world) gather(t *testing.T, size gathering) *audience {
	a := &audience{world: w, t: t, stop: make(chan struct{})}
	polls := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}
	// Streams follow each other over a connection, as in a browser.
	streams := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: size.holders}}
	a.hangUp = func() { polls.CloseIdleConnections(); streams.CloseIdleConnections() }
	var names []string
	for i := range size.users {
		name := fmt.Sprintf("0b0e6f1e-0000-4000-8000-%012d", i)
		names = append(names, name)
		a.pollers = append(a.pollers, w.newReader(t, name, polls, size))
		if i < size.tabs {
			a.pollers = append(a.pollers, w.newReader(t, name, polls, size))
		}
		if i < size.holders {
			a.streamers = append(a.streamers, w.newReader(t, name, streams, size))
		}
	}
	t.Cleanup(a.leave)
	for _, r := range a.pollers {
		a.reading.Go(func() { r.arrive(a.stop, size.arrive, r.run) })
	}
	for _, r := range a.streamers {
		a.reading.Go(func() { r.arrive(a.stop, size.arrive, r.hold) })
	}
	for _, r := range slices.Concat(a.pollers, a.streamers) {
		servertest.Within(t, size.arrive+3*servertest.Patience, "a client has a place", r.placed)
	}
	a.writers = w.startWriters(names, size.write)
	return a
}

// leave ends writers and clients.
func (a *audience) leave() {
	if a.writers != nil {
		a.writers.finish()
	}
	a.once.Do(func() { close(a.stop) })
	a.reading.Wait()
	a.hangUp()
}

// settle lets the app stop, waits until everybody has everything, and balances
// the books.
func (a *audience) settle() {
	a.t.Helper()
	a.books.begin("the end", true)
	a.writers.finish()
	stored, err := a.stored(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	began := time.Now()
	servertest.Within(a.t, vouched+slack, "everybody has everything", func() bool {
		for _, r := range slices.Concat(a.pollers, a.streamers) {
			if r.missing(stored[r.user]) > 0 {
				return false
			}
		}
		return true
	})
	a.t.Logf("everybody had everything %s after the last row", time.Since(began).Round(time.Millisecond))
	a.leave()
	a.balance(stored)
	a.report()
}

// balance compares what was shown with what is stored. What was deleted may have
// been shown.
func (a *audience) balance(stored map[string]map[string]bool) {
	for id, r := range a.books.rows {
		if !r.committed.IsZero() && !r.deleted && !stored[r.user][id] {
			a.t.Errorf("the database has lost %s", id)
		}
	}
	for _, r := range slices.Concat(a.pollers, a.streamers) {
		for id := range r.seen {
			row := a.books.rows[id]
			if row == nil || row.user != r.user || !stored[r.user][id] && !row.deleted {
				a.t.Errorf("%s was shown %s, which was never there", r.user, id)
			}
		}
	}
}
