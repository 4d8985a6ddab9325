// Package guard keeps a source from being asked more than it can bear: so many
// reads at a time, each within a time-out, and none for a moment once nobody
// gets an answer any more.
package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sony/gobreaker/v2"

	"sluice/backend"
)

const (
	// failuresToTrip is how many reads in a row must fail. One that succeeds starts
	// the count anew, so that a single user whose data is bad shuts nobody out.
	failuresToTrip = 10
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
	breaker *gobreaker.CircuitBreaker[backend.Page]
}

// New guards a source.
func New(o Options) *Source {
	if o.Resting == nil {
		o.Resting = func(bool) {}
	}
	m := &meter{}
	return &Source{o, make(chan struct{}, o.Concurrent), m, gobreaker.NewCircuitBreaker[backend.Page](gobreaker.Settings{
		Timeout:      rest,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToTrip },
		IsSuccessful: answered,
		IsExcluded:   func(err error) bool { return err != nil && backend.FaultOf(err) == backend.Canceled },
		OnStateChange: func(_ string, _, to gobreaker.State) {
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

// Read implements backend.Source.
func (s *Source) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	defer s.meter.begin()()
	if err := s.turn(ctx); err != nil {
		return backend.Page{}, err
	}
	defer func() { <-s.slots }()
	page, err := s.breaker.Execute(func() (backend.Page, error) { return s.read(ctx, c, q) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		err = &backend.Error{Fault: backend.Unavailable, Detail: "the notifications cannot be read at the moment", Err: err}
	}
	return page, err
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
