package evidence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sluice/rollout/control"
	"sluice/rollout/spec"
)

const (
	// askTimeout bounds one query.
	askTimeout = 5 * time.Second
	// answerKept is how long an answer waits to be fetched.
	answerKept = 10 * time.Second
)

// errAsked is why there is no data yet.
var errAsked = fmt.Errorf("Prometheus was asked: %w", control.ErrLater)

// Ask asks the Prometheus at an address for a query's one number. It returns when
// ctx ends, at the latest.
type Ask func(ctx context.Context, address, query string) (float64, error)

// Prometheus measures queries without waiting for them: the first call asks, and a
// later one has the answer. It may be used concurrently.
type Prometheus struct {
	Ask Ask // is needed, and must not change

	mu    sync.Mutex
	asked map[question]*answer
}

type question struct{ address, query string }

type answer struct {
	done  chan struct{}
	at    time.Time
	value float64
	err   error
}

// Measure asks m's query, or tells what came of it.
func (p *Prometheus) Measure(m spec.Metric) control.Measurement {
	if m.Address == "" {
		return control.Measurement{Err: errors.New("no Prometheus address is given")}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q := question{m.Address, m.Query}
	a := p.asked[q]
	if a == nil {
		p.ask(q)
		return control.Measurement{Err: errAsked}
	}
	select {
	case <-a.done:
	default:
		return control.Measurement{Err: errAsked}
	}
	delete(p.asked, q)
	if time.Since(a.at) > answerKept { // nobody came for it in time
		p.ask(q)
		return control.Measurement{Err: errAsked}
	}
	return control.Measurement{Value: a.value, Err: a.err}
}

func (p *Prometheus) ask(q question) {
	if p.asked == nil {
		p.asked = map[question]*answer{}
	}
	a := &answer{done: make(chan struct{})}
	p.asked[q] = a
	go func() {
		defer close(a.done)
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		a.value, a.err = p.Ask(ctx, q.address, q.query)
		a.at = time.Now()
	}()
}
