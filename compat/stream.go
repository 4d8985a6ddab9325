package compat

import (
	"context"
	"net/http"
	"time"

	"sluice/backend"
)

// stream is one open response.
type stream struct {
	Options
	caller backend.Caller
	woken  <-chan struct{}
	place  string // the reader's cursor, or whatever it sent for one
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
}

type result struct {
	page backend.Page
	err  error
}

// run writes events until the bound, the drain or the reader ends the stream.
// Reads happen beside it, so that a source that hangs holds up no heartbeat.
func (s *stream) run(ctx context.Context, drain <-chan struct{}, bound time.Duration, atBound Reason) Reason {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end, beat := time.NewTimer(bound), time.NewTimer(s.Heartbeat)
	defer end.Stop()
	defer beat.Stop()
	poll := time.NewTimer(0)
	defer poll.Stop()
	// While a read is under way news waits in its channel: the read may be older.
	results, woken := make(chan result, 1), s.woken

	s.out.buf = append(s.out.buf, ": bridge\n"...)
	s.out.buf = appendRetry(s.out.buf, s.wait())
	for {
		if wrote, err := s.out.flush(); err != nil {
			return Gone
		} else if wrote {
			beat.Reset(s.Heartbeat)
		}
		select {
		case <-ctx.Done():
			return Gone
		case <-drain:
			return Drained
		case <-end.C:
			return atBound
		case <-beat.C:
			s.out.buf = s.appendBeat(s.out.buf)
		case <-woken:
			poll.Reset(0)
		case <-poll.C:
			woken = nil
			go s.read(ctx, s.place, results)
		case r := <-results:
			woken = s.woken
			poll.Reset(s.take(r))
		}
	}
}

func (s *stream) read(ctx context.Context, place string, results chan<- result) {
	if s.first != nil {
		page, err := s.first(ctx)
		results <- result{page, err}
		return
	}
	page, err := s.Source.Read(ctx, s.caller, backend.Query{After: place, Limit: replay})
	results <- result{page, err}
}

// take writes a page, and says when to read again. A source that fails, or an
// app that no longer accepts the credential, leaves the stream open: an old page
// would answer an end with an error toast and a new stream a second later.
func (s *stream) take(r result) time.Duration {
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
	if _, err := o.w.Write(o.buf); err != nil {
		return false, err
	}
	o.buf = o.buf[:0]
	return true, o.control.Flush()
}
