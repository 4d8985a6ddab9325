// Package guard keeps a source from being asked more than it can bear: so many
// reads at a time, each within a time-out, and none for a moment once nobody
// gets an answer any more.
package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"sluice/backend"
)

const (
	// failuresToTrip is how many reads in a row must fail. One that succeeds starts
	// the count anew.
	failuresToTrip = 10
	// mostOfOne is how many of these may be of one user: whose data is bad, or whom the app
	// turns away, shuts nobody else out, however often they ask.
	mostOfOne = 4
	// rest is how long the source is then left alone; after it, one read tries.
	rest = 2 * time.Second
)

// Options of a Source.
type Options struct {
	Source     backend.Source
	Concurrent int           // reads at a time; others wait
	Timeout    time.Duration // of one read, the wait included, which takes half of it at most
	// Resting, if not nil, is told when the source is left alone and when not any more.
	Resting func(bool)
}

// Source is a guarded source.
type Source struct {
	options Options
	slots   chan struct{}
	meter   *meter
	streak  *streak
	breaker *gobreaker.CircuitBreaker[backend.Page]
}

// New guards a source.
func New(o Options) *Source {
	if o.Resting == nil {
		o.Resting = func(bool) {}
	}
	m, failing := &meter{}, &streak{users: map[string]int{}}
	return &Source{o, make(chan struct{}, o.Concurrent), m, failing, gobreaker.NewCircuitBreaker[backend.Page](gobreaker.Settings{
		Timeout:      rest,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToTrip },
		IsSuccessful: answered,
		IsExcluded: func(err error) bool {
			_, another := errors.AsType[another](err)
			return another || canceled(err)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			failing.over()
			if to != gobreaker.StateHalfOpen {
				m.rest(to == gobreaker.StateOpen)
				o.Resting(to == gobreaker.StateOpen)
			}
		},
	})}
}

// answered tells a source that works from one that does not: a refused
// credential or a place beyond its reach are answers.
func answered(err error) bool {
	if err == nil {
		return true
	}
	fault := backend.FaultOf(err)
	return fault == backend.Unauthorized || fault == backend.OutOfReach
}

// canceled tells that nobody waited for the answer.
func canceled(err error) bool { return err != nil && backend.FaultOf(err) == backend.Canceled }

// Read implements backend.Source.
func (s *Source) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	defer s.meter.begin()()
	if err := s.turn(ctx); err != nil {
		return backend.Page{}, err
	}
	defer func() { <-s.slots }()
	page, err := s.breaker.Execute(func() (backend.Page, error) {
		page, err := s.read(ctx, c, q)
		return page, s.streak.note(c.User, err)
	})
	if one, ok := errors.AsType[another](err); ok {
		err = one.error
	}
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		err = &backend.Error{Fault: backend.Unavailable, Detail: "the notifications cannot be read at the moment", Err: err}
	}
	return page, err
}

// streak is who has failed since a read last succeeded.
type streak struct {
	mu    sync.Mutex
	users map[string]int
}

// another is a failure of a user who has had enough of them to count for the breaker.
type another struct{ error }

func (s *streak) note(user string, err error) error {
	switch {
	case canceled(err):
		return err
	case answered(err):
		s.over()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[user]++; s.users[user] > mostOfOne {
		return another{err}
	}
	return err
}

func (s *streak) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.users)
}

// turn waits for a turn, and takes half of the time at most: if reads went on with
// what is left of a long wait, each of them would be cut off, and a source that is asked
// too much would never answer anybody again.
func (s *Source) turn(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}: // as nearly always: without a timer
		return nil
	default:
	}
	wait := time.NewTimer(s.options.Timeout / 2)
	defer wait.Stop()
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-wait.C:
		s.meter.refuse()
		return &backend.Error{Fault: backend.TooLate, Detail: "too many reads at a time"}
	case <-ctx.Done():
		return backend.Failed(ctx, backend.Unavailable, "too many reads at a time", ctx.Err())
	}
}

// read makes a panic of the source a failed read: shared reads run beside the
// requests that wait for them, where it would end the process.
func (s *Source) read(ctx context.Context, c backend.Caller, q backend.Query) (page backend.Page, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &backend.Error{
				Fault: backend.Unavailable, Detail: "the notifications could not be read",
				Err: fmt.Errorf("panic: %v\n%s", fault, debug.Stack()),
			}
		}
	}()
	return s.options.Source.Read(ctx, c, q)
}
