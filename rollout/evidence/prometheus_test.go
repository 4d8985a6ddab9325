package evidence

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// oracle is a Prometheus that answers when it is told to.
type oracle struct {
	Prometheus
	questions chan string
	answers   chan float64
}

var errMute = errors.New("prometheus: it says nothing")

func newOracle() *oracle {
	o := &oracle{questions: make(chan string, 10), answers: make(chan float64)}
	o.Ask = func(ctx context.Context, address, query string) (float64, error) {
		o.questions <- address + " " + query
		select {
		case v := <-o.answers:
			return v, nil
		case <-ctx.Done():
			return 0, errMute
		}
	}
	return o
}

func query(text string) spec.Metric {
	return spec.Metric{Source: spec.Prometheus, Address: "http://prometheus", Query: text}
}

// A slow Prometheus keeps nobody waiting, and is asked once at a time.
func TestPrometheusKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle()
		for range 5 {
			if got := o.Measure(query("up")); !errors.Is(got.Err, control.ErrLater) {
				t.Fatalf("%+v", got)
			}
		}
		o.answers <- 5
		synctest.Wait()
		if got := o.Measure(query("up")); got.Value != 5 || got.Err != nil {
			t.Errorf("%+v", got)
		}
		if q := <-o.questions; q != "http://prometheus up" || len(o.questions) != 0 {
			t.Errorf("asked %q, and %d times more", q, len(o.questions))
		}
	})
}

// An answer is of the moment it is fetched for: the next measurement asks anew, and
// one that nobody fetched in time is no answer any more.
func TestPrometheusAnswersAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle()
		answer := func(v float64) {
			o.Measure(query("up"))
			o.answers <- v
			synctest.Wait()
		}
		answer(1)
		if got := o.Measure(query("up")); got.Value != 1 {
			t.Errorf("%+v", got)
		}
		answer(2)
		time.Sleep(answerKept + time.Second)
		if got := o.Measure(query("up")); !errors.Is(got.Err, control.ErrLater) {
			t.Errorf("a stale answer: %+v", got)
		}
		o.answers <- 3
		synctest.Wait()
		if got := o.Measure(query("up")); got.Value != 3 {
			t.Errorf("%+v", got)
		}
	})
}

func TestPrometheusSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle()
		o.Measure(query("up"))
		time.Sleep(askTimeout + time.Second)
		if got := o.Measure(query("up")); !errors.Is(got.Err, errMute) {
			t.Errorf("%+v", got)
		}
		if got := o.Measure(spec.Metric{Source: spec.Prometheus, Query: "up"}); got.Err == nil || errors.Is(got.Err, control.ErrLater) {
			t.Errorf("without an address: %+v", got)
		}
	})
}
