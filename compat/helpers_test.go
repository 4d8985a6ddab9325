package compat

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The durations of the tests; each is told apart from the others.
const (
	interval    = 5 * time.Second
	beat        = 15 * time.Second
	maxDuration = 25 * time.Second
	oldPage     = 290 * time.Second
)

var alice = backend.Caller{User: "alice", Token: "t"}

// rows is a source over rows in memory, which can fail or hang.
type rows struct {
	mu    sync.Mutex
	all   []backend.Notification
	err   error
	hangs bool
	asked []backend.Query
}

func (s *rows) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	s.mu.Lock()
	s.asked = append(s.asked, q)
	all, err, hangs := slices.Clone(s.all), s.err, s.hangs
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return backend.Page{}, ctx.Err()
	}
	if err != nil {
		return backend.Page{}, err
	}
	return backend.Read(backend.NewList(all, false, time.Now()), c.User, time.Hour, q)
}

// change does something to the source between two reads.
func (s *rows) change(f func(*rows)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *rows) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// add creates rows, each so long ago.
func (s *rows) add(ago time.Duration, ids ...string) {
	at := time.Now().Add(-ago).Truncate(time.Second).UnixMicro()
	s.change(func(s *rows) {
		for _, id := range ids {
			s.all = append(s.all, backend.Notification{
				Key: backend.Key{At: at, ID: id}, Level: "info", Title: "T", Text: "text of " + id, Context: json.RawMessage(`{"job_id":"7"}`),
			})
		}
	})
}

// numbered is n ids in ascending order.
func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%04d", i))
	}
	return ids
}

// tally is an Observer.
type tally struct {
	mu sync.Mutex
	counts
}

type counts struct {
	opened, delivered, live, failed, unknown, asked int
	closed                                          []Reason
	returns                                         []Return
}

func (o *tally) StreamOpened()         { o.count(func() { o.opened++ }) }
func (o *tally) StreamClosed(r Reason) { o.count(func() { o.closed = append(o.closed, r) }) }
func (o *tally) Delivered(n int, live []backend.Notification) {
	o.count(func() { o.delivered, o.live = o.delivered+n, o.live+len(live) })
}
func (o *tally) Asked()               { o.count(func() { o.asked++ }) }
func (o *tally) Returned(r Return)    { o.count(func() { o.returns = append(o.returns, r) }) }
func (o *tally) ReadFailed(error)     { o.count(func() { o.failed++ }) }
func (o *tally) BrowserUnknown(error) { o.count(func() { o.unknown++ }) }

func (o *tally) count(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// soFar is what has been reported.
func (o *tally) soFar() (c counts) {
	o.count(func() { c = o.counts; c.closed, c.returns = slices.Clone(o.closed), slices.Clone(o.returns) })
	return c
}

// wire is a ResponseWriter that shows what has reached the reader, and when.
type wire struct {
	mu      sync.Mutex
	header  http.Header
	status  int
	pending []byte
	sent    []byte
	flushes []time.Time
}

func (w *wire) Header() http.Header { return w.header }

func (w *wire) WriteHeader(status int) { w.status = status }

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, b...)
	return len(b), nil
}

func (w *wire) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent, w.pending = append(w.sent, w.pending...), nil
	w.flushes = append(w.flushes, time.Now())
}

func (w *wire) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.sent)
}

// flushed is when bytes were sent.
func (w *wire) flushed() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.flushes)
}

// open is a stream that a test has opened.
type open struct {
	*wire
	started time.Time
	ended   chan struct{} // closed at the end
	end     time.Time
	leave   context.CancelFunc
}

func newBridge(s backend.Source, seen *tally) *Bridge {
	return New(Options{
		Source: s, Interval: func() time.Duration { return interval }, Heartbeat: beat, MaxDuration: maxDuration, OldPageDuration: oldPage, Observer: seen,
	})
}

// connect opens a stream as alice's browser does; place is the id it comes back with.
func connect(b *Bridge, place string) *open {
	return connectUntil(b, place, time.Now().Add(time.Hour))
}

func connectUntil(b *Bridge, place string, expires time.Time) *open {
	r := httptest.NewRequest(http.MethodGet, "/api/stream", nil)
	if place != "" {
		r.Header.Set("Last-Event-ID", place)
	}
	return request(b, r, expires)
}

func request(b *Bridge, r *http.Request, expires time.Time) *open {
	ctx, leave := context.WithCancel(context.Background())
	o := &open{wire: &wire{header: http.Header{}}, started: time.Now(), ended: make(chan struct{}), leave: leave}
	go func() {
		defer func() { o.end = time.Now(); close(o.ended) }()
		b.Serve(o.wire, r.WithContext(ctx), alice, expires)
	}()
	return o
}

// lasted waits for the end and says how long the stream was open.
func (o *open) lasted() time.Duration {
	<-o.ended
	o.leave()
	return o.end.Sub(o.started)
}

func (o *open) isOpen() bool {
	synctest.Wait()
	select {
	case <-o.ended:
		return false
	default:
		return true
	}
}

// close ends the stream from the reader's side.
func (o *open) close() {
	o.leave()
	<-o.ended
}

// now reads what has come so far; everything a test does not find there must be whole.
func (o *open) now(t *testing.T) reading {
	t.Helper()
	synctest.Wait()
	r := readEvents(o.text())
	if r.rest != "" {
		t.Errorf("ends within an event: %q", r.rest)
	}
	return r
}

// ids are those of the notifications that were sent.
func (r reading) ids(t *testing.T) (ids []string) {
	t.Helper()
	for _, e := range r.events {
		var envelope struct {
			Type string
			Data struct{ ID string }
		}
		if err := json.Unmarshal([]byte(e.data), &envelope); err != nil || envelope.Type != "notification.created" || e.kind != "" {
			t.Fatalf("%+v: %v", e, err)
		}
		ids = append(ids, envelope.Data.ID)
	}
	return ids
}

func wantIDs(t *testing.T, r reading, want ...string) {
	t.Helper()
	if got := r.ids(t); !slices.Equal(got, want) {
		t.Errorf("events: %s\nwant:   %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// idsOf are the ids of the notifications, where no other event is expected.
func (r reading) idsOf() (ids []string) {
	for _, e := range r.events {
		var envelope struct{ Data struct{ ID string } }
		if json.Unmarshal([]byte(e.data), &envelope) == nil {
			ids = append(ids, envelope.Data.ID)
		}
	}
	return ids
}

func nopCloser(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

func drainAll(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, body)
	body.Close()
}
