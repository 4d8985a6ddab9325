package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/internal/servertest"
)

const (
	users   = 36
	tabs    = 4  // users who poll twice
	holders = 12 // users who also hold a stream

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
	pollers, streamers []*reader
	stop               chan struct{}
	once               sync.Once
	reading            sync.WaitGroup
}

// gather starts all clients, waits until each stands somewhere, and then lets the
// app write.
func (w *world) gather(t *testing.T) *audience {
	a := &audience{world: w, t: t, stop: make(chan struct{})}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	var names []string
	for i := range users {
		name := fmt.Sprintf("0b0e6f1e-0000-4000-8000-%012d", i)
		names = append(names, name)
		a.pollers = append(a.pollers, w.newReader(t, name, &http.Client{Transport: transport, Timeout: time.Minute}))
		if i < tabs {
			a.pollers = append(a.pollers, w.newReader(t, name, &http.Client{Transport: transport, Timeout: time.Minute}))
		}
		if i < holders {
			a.streamers = append(a.streamers, w.newReader(t, name, &http.Client{Transport: transport}))
		}
	}
	for _, r := range a.pollers {
		a.reading.Go(func() { r.run(a.stop) })
	}
	for _, r := range a.streamers {
		a.reading.Go(func() { r.hold(a.stop) })
	}
	for _, r := range slices.Concat(a.pollers, a.streamers) {
		servertest.Eventually(t, "a client has a place", r.placed)
	}
	a.writers = w.startWriters(names)
	t.Cleanup(a.leave)
	return a
}

// leave ends writers and clients.
func (a *audience) leave() {
	a.writers.finish()
	a.once.Do(func() { close(a.stop) })
	a.reading.Wait()
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
