package shadow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/backend"
	"sluice/backend/latest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The durations of the tests; each is told apart from the others.
const (
	interval = 5 * time.Second
	settle   = 40 * time.Second
	bound    = 2 * time.Second // of the cache
)

var alice = backend.Caller{User: "alice", Token: "t"}

// store is the app's data, and how Sluice's source shows it.
type store struct {
	mu     sync.Mutex
	rows   []backend.Notification
	hidden map[string]bool // by the source; the app has them
	newest int             // rows that the source reaches; 0: all
	err    error
	hangs  bool
	slow   time.Duration // a read takes
	reads  int
	bound  time.Duration // of the cache before it
	under  int           // reads under way
	most   int           // of them at a time
}

// Read implements backend.Source.
func (s *store) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	s.mu.Lock()
	s.reads++
	s.under++
	s.most = max(s.most, s.under)
	rows, err, hangs, slow := s.shown(), s.err, s.hangs, s.slow
	cut := s.newest > 0 && len(rows) > s.newest
	if cut {
		rows = rows[len(rows)-s.newest:]
	}
	s.mu.Unlock()
	defer s.change(func() { s.under-- })
	if hangs {
		<-ctx.Done()
		return backend.Page{}, ctx.Err()
	}
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return backend.Page{}, ctx.Err()
	}
	if err != nil {
		return backend.Page{}, err
	}
	lookBack := time.Hour
	if s.newest > 0 {
		lookBack = time.Minute
	}
	return backend.Read(backend.NewList(rows, cut, time.Now()), c.User, lookBack, q)
}

// shown are the rows that the source shows, ascending.
func (s *store) shown() []backend.Notification {
	rows := slices.DeleteFunc(slices.Clone(s.rows), func(n backend.Notification) bool { return s.hidden[n.ID] })
	slices.SortFunc(rows, func(a, b backend.Notification) int { return a.Compare(b.Key) })
	return rows
}

func (s *store) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *store) asked() (n int) {
	s.change(func() { n = s.reads })
	return n
}

// add creates rows, each so long ago.
func (s *store) add(ago time.Duration, ids ...string) {
	at := time.Now().Add(-ago).Truncate(time.Second).UnixMicro()
	s.change(func() {
		for _, id := range ids {
			s.rows = append(s.rows, backend.Notification{Key: backend.Key{At: at, ID: id}, Level: "info", Context: json.RawMessage(`{}`)})
		}
	})
}

func (s *store) remove(id string) {
	s.change(func() {
		s.rows = slices.DeleteFunc(s.rows, func(n backend.Notification) bool { return n.ID == id })
	})
}

// expire lets a row expire after a while. One that has expired stays so: polls do not
// deliver what is changed in place.
func (s *store) expire(id string, after time.Duration) {
	s.change(func() {
		for i := range s.rows {
			if s.rows[i].ID == id && s.rows[i].ExpiresAt.IsZero() {
				s.rows[i].ExpiresAt = time.Now().Add(after)
			}
		}
	})
}

// keys are those of the app's rows with these ids.
func (s *store) keys(ids ...string) (keys []backend.Key) {
	s.change(func() {
		for _, n := range s.rows {
			if slices.Contains(ids, n.ID) {
				keys = append(keys, n.Key)
			}
		}
	})
	return keys
}

// tally is an Observer.
type tally struct {
	mu sync.Mutex
	found
}

type found struct {
	open         int
	lateness     []time.Duration
	missed       []string // "id" or "id stored"
	extra        []string
	inconclusive map[Reason]int
}

func (o *tally) StreamOpened() { o.note(func() { o.open++ }) }
func (o *tally) StreamClosed() { o.note(func() { o.open-- }) }
func (o *tally) Compared(l time.Duration) {
	o.note(func() { o.lateness = append(o.lateness, l) })
}
func (o *tally) Missed(_, id string, stored bool) {
	if stored {
		id += " stored"
	}
	o.note(func() { o.missed = append(o.missed, id) })
}
func (o *tally) Extra(_, id string) { o.note(func() { o.extra = append(o.extra, id) }) }
func (o *tally) Inconclusive(r Reason) {
	o.note(func() {
		if o.inconclusive == nil {
			o.inconclusive = map[Reason]int{}
		}
		o.inconclusive[r]++
	})
}

func (o *tally) note(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// world is a shadow over the real reader, and an app whose stream a test plays.
type world struct {
	testing.TB
	*store
	seen   *tally
	shadow *Shadow
	cache  *latest.Reader
	tabs   []*Stream
}

// inWorld runs a test in fake time.
func inWorld(t *testing.T, test func(w *world), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		test(w)
		w.shadow.Close()
	})
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	w := &world{TB: t, store: &store{hidden: map[string]bool{}, bound: bound}, seen: &tally{}}
	w.cache = latest.NewReader(latest.Options{
		Source: w.store, Local: latest.NewMemory(100), Bound: func(time.Time) (d time.Duration) {
			w.change(func() { d = w.bound })
			return d
		},
	})
	o := Options{Polls: w.cache, Store: w.store, Interval: always(interval), Limit: 50, Settle: settle, Observer: w.seen}
	for _, f := range change {
		f(&o)
	}
	w.shadow = New(o)
	return w
}

func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// tab opens a stream, whose beginning is over when it returns.
func (w *world) tab() *Stream {
	s := w.opened()
	w.pass(round + time.Second)
	return s
}

// opened opens a stream.
func (w *world) opened() *Stream {
	s := w.shadow.Enter(alice, time.Now().Add(24*time.Hour))
	if s == nil {
		w.Fatal("the stream is not followed")
	}
	w.tabs = append(w.tabs, s)
	return s
}

func (w *world) end(s *Stream) {
	s.Ended()
	w.tabs = slices.DeleteFunc(w.tabs, func(o *Stream) bool { return o == s })
}

// deliver lets items go by on a stream.
func (w *world) deliver(s *Stream, ids ...string) {
	s.Heard(w.keys(ids...))
	synctest.Wait()
}

// pass lets time pass, while all tabs have their heartbeats.
func (w *world) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		for _, s := range w.tabs {
			s.Heard(nil)
		}
	}
	synctest.Wait()
}

// settled lets enough time pass for any verdict.
func (w *world) settled() { w.pass(settle + 2*interval) }

// want compares what was found so far: so many fine, and the others by name.
func (w *world) want(fine int, others ...string) {
	w.Helper()
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	var got []string
	for _, id := range w.seen.missed {
		got = append(got, "missed "+id)
	}
	for _, id := range w.seen.extra {
		got = append(got, "extra "+id)
	}
	for _, r := range slices.Sorted(maps.Keys(w.seen.inconclusive)) {
		got = append(got, fmt.Sprintf("%d %s", w.seen.inconclusive[r], r))
	}
	if len(w.seen.lateness) != fine || !slices.Equal(got, others) {
		w.Errorf("%d fine and %q; want %d and %q", len(w.seen.lateness), got, fine, others)
	}
}

// numbered is n ids in ascending order.
func numbered(from, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%04d", from+i))
	}
	return ids
}
