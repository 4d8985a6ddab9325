// Package compat serves the legacy stream, GET /api/stream, to tabs that were
// opened before the move: as bounded SSE responses made of polls.
//
// A stream is always answered with 200 and is never ended by a failing source or
// cache; it ends at an event boundary, after a time that depends on how its
// reader comes back, or when the gateway drains. Events carry the cursor behind
// them as id, oldest first, so that a reader which was cut off loses nothing.
package compat

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/backend"
)

// Options of a Bridge. All durations are positive.
type Options struct {
	Source    backend.Source
	Interval  func() time.Duration // between two reads of the source for one stream
	Heartbeat time.Duration        // at most so long between two writes
	// MaxDuration ends streams of readers that came back with an id: they
	// reconnect without anybody noticing.
	MaxDuration time.Duration
	// OldPageDuration ends the others, whose user sees every end as an error.
	OldPageDuration time.Duration
	// Watch gives a channel that holds a value when the user's data has changed; the
	// stream then reads at once. stop is called at its end. Nil: there is no news.
	Watch func(user string) (woken <-chan struct{}, stop func())
	// Most is how many streams may be open at a time; further ones end within
	// crowdedBound. 0: any number.
	Most int
	// Eager tells that a user opens streams too often, and takes note of one more.
	// Nil: nobody does.
	Eager func(user string) bool
	// Browsers remembers where old pages stand. Nil: this process does.
	Browsers Browsers
	// Farewell is what old pages are told while SayFarewell, each as it next opens its
	// stream: within OldPageDuration, all of them. Empty, or SayFarewell nil: nothing.
	Farewell    string
	SayFarewell func() bool
	Observer    Observer
}

// Observer is told what streams do. Its methods are called from many goroutines.
type Observer interface {
	StreamOpened()
	StreamClosed(Reason)
	// Delivered tells that so many items were sent, repeats included; live are those
	// that came while their reader was there.
	Delivered(n int, live []backend.Notification)
	// Asked tells that the reader of a stream, our client, was asked for an echo, and
	// had at least EchoWithin to give it.
	Asked()
	Returned(Return) // an old page
	ReadFailed(error)
	BrowserUnknown(error) // what is remembered of a browser could not be looked up or kept
}

// Reason is why a stream ended.
type Reason string

// The reasons for the end of a stream.
const (
	Bounded Reason = "bounded" // its time was up
	Drained Reason = "drained" // the gateway shuts down
	Gone    Reason = "gone"    // the reader went away or stopped reading
	Expired Reason = "expired" // its credential ran out
)

// Reasons lists all of them.
var Reasons = []Reason{Bounded, Drained, Gone, Expired}

const (
	// replay is how many of the newest items a reader without a place gets, and
	// how many are read at a time: the app's own numbers.
	replay = 20
	// shorten is by how much jitter may shorten a stream, so that streams opened
	// together do not end together.
	shorten = 0.07
	// writeTimeout ends a stream whose reader does not read.
	writeTimeout = 10 * time.Second

	// EventSource retries without back-off, so never ask for less than a second.
	retryFloor  = time.Second
	retrySpread = 2 * time.Second
	// Who opens streams too often comes back as late as still proves that it saw the
	// end (proofWithin): a reader without a place that waits longer begins anew.
	eagerFloor  = 3 * time.Second
	eagerSpread = time.Second
	// crowdedBound is how long a stream lasts while there are too many: enough for
	// what waits for its reader.
	crowdedBound = time.Second
	// While the source fails, or there are too many streams, readers that come back find nothing.
	troubleFloor  = 10 * time.Second
	troubleSpread = 10 * time.Second
)

// Bridge serves bounded streams. It is safe for concurrent use.
type Bridge struct {
	options Options
	drain   chan struct{}
	once    sync.Once
	open    atomic.Int64
}

// New prepares a bridge.
func New(o Options) *Bridge {
	if o.Browsers == nil {
		o.Browsers = NewMemory()
	}
	if o.Eager == nil {
		o.Eager = func(string) bool { return false }
	}
	if o.SayFarewell == nil {
		o.SayFarewell = func() bool { return false }
	}
	if o.Watch == nil {
		o.Watch = func(string) (<-chan struct{}, func()) { return nil, func() {} }
	}
	return &Bridge{options: o, drain: make(chan struct{})}
}

// Drain ends every stream, now and from now on, at an event boundary. It returns
// how many were open.
func (b *Bridge) Drain() int {
	b.once.Do(func() { close(b.drain) })
	return int(b.open.Load())
}

// maxPlace is the longest place that is looked at, in bytes; a longer one is cut,
// and so unknown.
const maxPlace = 256

// Place is where a request says its reader stands: Last-Event-ID, or what
// clients that cannot set it put into the query. Empty when it does not say.
// What no database would take for text is made into a place that nobody has.
func Place(r *http.Request) string {
	q := r.URL.Query()
	id := cmp.Or(r.Header.Get("Last-Event-ID"), q.Get("last_event_id"), q.Get("lastEventId"))
	return strings.ReplaceAll(strings.ToValidUTF8(id[:min(len(id), maxPlace)], "?"), "\x00", "?")
}

// Ours tells our own client in sse mode from an old page: it names its place in the
// query, from its first stream on. What browsers send by themselves when an
// EventSource reconnects is a header, which pages of the app have as well.
func Ours(r *http.Request, user string) bool {
	_, ok := backend.Open(r.URL.Query().Get("last_event_id"), user)
	return ok
}

// Serve answers a request of a verified caller, whose credential is good until
// expires. It returns when the stream has ended.
//
// A stream that is held costs mostly stack: Go doubles it and halves it only where a
// quarter is enough, so what is under way here for long has small frames.
func (b *Bridge) Serve(w http.ResponseWriter, r *http.Request, c backend.Caller, expires time.Time) {
	commit(w)
	s := &stream{Options: &b.options, caller: c, out: writer{w: w, control: http.NewResponseController(w)}}
	defer b.open.Add(-1)
	b.enters(s, r, expires)
	ended := s.run(r.Context(), b.drain)
	b.leaves(s, r, ended)
	b.options.Observer.StreamClosed(ended)
	s.out.allow() // net/http is about to write the end of the response
}

// commit sends the header: it is a stream from here on.
func commit(w http.ResponseWriter) {
	maps.Copy(w.Header(), header)
	w.WriteHeader(http.StatusOK)
}

// header is that of every stream.
var header = http.Header{
	"Content-Type":      {"text/event-stream; charset=utf-8"},
	"Cache-Control":     {"no-cache, no-store, no-transform"},
	"X-Accel-Buffering": {"no"},
}

// enters finds out what a stream's reader is to get, and for how long.
func (b *Bridge) enters(s *stream, r *http.Request, expires time.Time) {
	user := s.caller.User
	var told bool
	s.place, told = toldAt(Place(r), user)
	s.asks = asks(r, user)
	if told {
		s.mark = toldMark
	} else if b.options.SayFarewell() && !Ours(r, user) {
		s.farewell = b.options.Farewell
	}
	s.crowded = b.open.Add(1) > int64(b.options.Most) && b.options.Most > 0
	s.eager = b.options.Eager(user)
	b.options.Observer.StreamOpened()

	s.browser, s.number, s.named = browserOf(r, s.caller), rand.Uint64(), s.place != ""
	v := b.enter(r.Context(), s.browser, user, s.number, s.named)
	if !s.named {
		s.first = func(ctx context.Context) (backend.Page, error) { return b.begin(ctx, s.browser, s.caller, v) }
	}
	bound := b.options.OldPageDuration
	if s.named || v.short {
		bound = b.options.MaxDuration
	}
	if s.crowded || s.eager {
		bound = crowdedBound
	}
	bound -= time.Duration(float64(bound) * shorten * rand.Float64())
	s.end, s.atEnd = time.Now().Add(bound), Bounded
	if expires.Before(s.end) {
		s.end, s.atEnd = expires, Expired
	}
	s.woken, s.unwatch = b.options.Watch(user)
	s.out.buf = append(s.out.buf, ": bridge\n"...)
	s.out.buf = appendRetry(s.out.buf, s.wait())
	s.readIn(0)
}

// leaves notes how a stream has ended.
func (b *Bridge) leaves(s *stream, r *http.Request, ended Reason) {
	s.unwatch()
	if !s.asked.IsZero() && time.Since(s.asked) >= EchoWithin {
		b.options.Observer.Asked()
	}
	place := ""
	if ended != Gone {
		place = s.place
	}
	b.leave(r.Context(), s.browser, s.number, !s.named && ended != Expired, place)
}

func jitter(floor, spread time.Duration) time.Duration {
	return floor + time.Duration(rand.Int64N(int64(spread)))
}
