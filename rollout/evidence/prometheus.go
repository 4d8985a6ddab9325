package evidence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

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

// Prometheus measures queries without waiting for them: the first call asks, and a
// later one has the answer. It may be used concurrently. The zero value is ready.
type Prometheus struct {
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
		a.value, a.err = query(q)
		a.at = time.Now()
	}()
}

// query has one value: a scalar, or a vector of one.
func query(q question) (float64, error) {
	client, err := api.NewClient(api.Config{Address: q.address})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	result, _, _, err := v1.NewAPI(client).Query(ctx, q.query, time.Now())
	if err != nil {
		return 0, fmt.Errorf("prometheus: %w", err)
	}
	switch r := result.(type) {
	case *model.Scalar:
		return number(float64(r.Value))
	case model.Vector:
		if len(r) == 1 {
			return number(float64(r[0].Value))
		}
		return 0, fmt.Errorf("prometheus: the query gives %d values, want one", len(r))
	}
	return 0, fmt.Errorf("prometheus: the query gives a %s, want one number", result.Type())
}

// number refuses what is none: a ratio of nothing to nothing says nothing.
func number(v float64) (float64, error) {
	if v != v {
		return 0, errors.New("prometheus: the query gives NaN")
	}
	return v, nil
}
