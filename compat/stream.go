package compat

import (
	"context"
	"net/http"
	"time"

	"sluice/backend"
)

// stream is one open response. There are many, each for long: what it holds counts.
type stream struct {
	*Options
	caller  backend.Caller
	browser string // see browserOf
	number  uint64 // the stream's own
	named   bool   // its reader named a place when it came
	place   string // the reader's cursor, or whatever it sent for one
	// first, if not nil, is the read to begin with: the reader names no place.
	first func(context.Context) (backend.Page, error)
	// caughtUp: the reader has all that was there when it came.
	caughtUp bool
	crowded  bool // there are too many streams
	eager    bool // its user opens streams too often
	trouble  bool // the last read failed, and the reader has been told to come back later
	// farewell is what the reader is still to be told; mark ends its ids when it was.
	farewell, mark string
	asks           bool      // the next heartbeat is to ask for an echo
	asked          time.Time // when one has; zero if none did
	out            writer

	woken   <-chan struct{}
	unwatch func()
	// What is due when. One timer serves all of them.
	end, beat, poll time.Time
	atEnd           Reason
	// results has what the read under way brings; nil when none is. News waits in its
	// channel meanwhile: the read may be older.
	results chan *result
}

type result struct {
	page backend.Page
	err  error
}

// run writes events until the end, the drain or the reader ends the stream.
// Reads happen beside it, so that a source that hangs holds up no heartbeat. ctx is
// the request's, which ends soon after: a read that is under way then ends with it.
func (s *stream) run(ctx context.Context, drain <-chan struct{}) Reason {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for s.flush() {
		woken := s.woken
		if s.results != nil {
			woken = nil
		}
		s.set(alarm)
		select {
		case <-ctx.Done():
			return Gone
		case <-drain:
			return Drained
		case <-woken:
			s.readIn(0)
		case <-alarm.C:
			if !s.due(ctx) {
				return s.atEnd
			}
		case r := <-s.results:
			s.results = nil
			s.readIn(s.take(r))
		}
	}
	return Gone
}

func (s *stream) readIn(wait time.Duration) { s.poll = time.Now().Add(wait) }

// set sets the timer to when something is due.
func (s *stream) set(alarm *time.Timer) {
	next := s.end
	if s.beat.Before(next) {
		next = s.beat
	}
	if s.results == nil && s.poll.Before(next) {
		next = s.poll
	}
	alarm.Reset(time.Until(next))
}

// due does what is due, and reports false when the stream's time is up.
func (s *stream) due(ctx context.Context) bool {
	now := time.Now()
	switch {
	case !now.Before(s.end):
		return false
	case s.results == nil && !now.Before(s.poll):
		s.results = make(chan *result, 1)
		go s.read(ctx, s.place, s.results)
	case !now.Before(s.beat):
		s.out.buf = s.appendBeat(s.out.buf)
	}
	return true
}

// flush sends what there is, which puts off the next heartbeat, and reports whether
// the reader is still there.
func (s *stream) flush() bool {
	wrote, err := s.out.flush()
	if wrote {
		s.beat = time.Now().Add(s.Heartbeat)
	}
	return err == nil
}

func (s *stream) read(ctx context.Context, place string, results chan<- *result) {
	if s.first != nil {
		page, err := s.first(ctx)
		results <- &result{page, err}
		return
	}
	page, err := s.Source.Read(ctx, s.caller, backend.Query{After: place, Limit: replay})
	results <- &result{page, err}
}

// take writes a page, and says when to read again. A source that fails, or an
// app that no longer accepts the credential, leaves the stream open: an old page
// would answer an end with an error toast and a new stream a second later.
func (s *stream) take(r *result) time.Duration {
	err := r.err
	if err == nil {
		err = s.write(r.page)
	}
	if err == nil && s.farewell != "" {
		err = s.sayFarewell(s.farewell)
	}
	if failed := err != nil; failed != s.trouble {
		s.trouble = failed
		s.out.buf = appendRetry(s.out.buf, s.wait())
	}
	switch {
	case err != nil:
		s.Observer.ReadFailed(err)
	case r.page.More:
		return 0
	}
	return s.Interval()
}

// wait is how long the reader is asked to stay away after the end.
func (s *stream) wait() time.Duration {
	switch {
	case s.trouble || s.crowded:
		return jitter(troubleFloor, troubleSpread)
	case s.eager:
		return jitter(eagerFloor, eagerSpread)
	}
	return jitter(retryFloor, retrySpread)
}

// write appends a page's events. Each carries the place behind it, so that a
// reader which is cut off in the middle goes on there; repeats, which lie behind
// the reader's place, carry none.
func (s *stream) write(p backend.Page) error {
	start := len(s.out.buf)
	for i, n := range p.Items {
		data, err := envelope(n)
		if err != nil {
			s.out.buf = s.out.buf[:start]
			return err
		}
		id := ""
		switch {
		case i == len(p.Items)-1:
			id = s.id(p.Place)
		case i >= p.Repeated:
			id = s.id(p.Marks[i-p.Repeated].Seal(s.caller.User))
		}
		s.out.buf = appendEvent(s.out.buf, id, data)
	}
	if len(p.Items) == 0 && p.Place != s.place {
		s.out.buf = appendPlace(s.out.buf, s.id(p.Place))
	}
	live := p.Items[p.Repeated:]
	if !s.caughtUp {
		live = nil
	}
	s.place, s.first, s.caughtUp = p.Place, nil, s.caughtUp || !p.More
	s.Observer.Delivered(len(p.Items), live)
	return nil
}

// id is a place as the reader is given it.
func (s *stream) id(place string) string { return place + s.mark }

// writer sends whole events, each batch within writeTimeout.
type writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
}

// allow starts the time that the next write may take. A writer that knows no
// deadlines (a test's) is written to without one.
func (o *writer) allow() { _ = o.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// flush sends what has been appended, and reports whether there was any.
func (o *writer) flush() (bool, error) {
	if len(o.buf) == 0 {
		return false, nil
	}
	o.allow()
	_, err := o.w.Write(o.buf)
	if err == nil {
		err = o.control.Flush()
	}
	o.buf = nil // a stream is silent most of the time
	return true, err
}
