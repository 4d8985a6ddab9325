package lab

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
)

// Experiment is what was measured in one go, and what it shows.
type Experiment struct {
	Title    string     `json:"title"`
	Method   string     `json:"method"`  // how it was measured, for who reads the tables
	Columns  []string   `json:"columns"` // the figures that stand in the table; the first one is drawn
	Measured []Measured `json:"measured"`
	Rows     []Row      `json:"rows"`
}

// Row is one target: the median of a figure of one contender, or its ratio to the
// median of another.
type Row struct {
	Work    string  `json:"work"`
	Figure  string  `json:"figure"`
	Of      string  `json:"of"`                 // the contender's name
	Against string  `json:"against,omitempty"`  // empty: no ratio
	AtLeast float64 `json:"at_least,omitempty"` // one of the two is set
	AtMost  float64 `json:"at_most,omitempty"`
	Why     string  `json:"why,omitempty"` // why the target is not reached, if it is not
}

// Outcome is what became of a row.
type Outcome struct {
	Value, Low, High float64 // of the medians; of the single runs, each with the other's of the same round
	Reached          bool
}

// Outcome compares a row with its target.
func (e Experiment) Outcome(r Row) (Outcome, error) {
	of, err := e.values(r.Of, r.Figure)
	if err != nil {
		return Outcome{}, err
	}
	o, runs := Outcome{Value: Median(of)}, of
	if r.Against != "" {
		against, err := e.values(r.Against, r.Figure)
		if err != nil {
			return Outcome{}, err
		}
		o.Value /= Median(against)
		runs = make([]float64, min(len(of), len(against)))
		for i := range runs {
			runs[i] = of[i] / against[i]
		}
	}
	o.Low, o.High = slices.Min(runs), slices.Max(runs)
	o.Reached = o.Value >= r.AtLeast && (r.AtMost == 0 || o.Value <= r.AtMost)
	return o, nil
}

func (e Experiment) values(name, figure string) ([]float64, error) {
	for _, m := range e.Measured {
		if m.Name == name && len(m.Values[figure]) > 0 {
			return m.Values[figure], nil
		}
	}
	return nil, fmt.Errorf("%s: %s was not measured of %q", e.Title, figure, name)
}

var recorded struct {
	sync.Mutex
	experiments []Experiment
}

// Record keeps an experiment for the report, and says in the test's log what became
// of its rows. A target that is not reached fails nothing: it stands in the report.
func Record(t testing.TB, e Experiment) {
	t.Helper()
	for _, r := range e.Rows {
		o, err := e.Outcome(r)
		switch {
		case err != nil:
			t.Error(err)
		case Smoke(): // too short for figures
		case math.IsNaN(o.Value) || math.IsInf(o.Value, 0) || o.Value <= 0:
			t.Errorf("%s: %s is %v", r.Work, r.Figure, o.Value)
		default:
			t.Logf("%s: %s, target %s: %s", r.Work, o.text(r), r.target(), o.verdict())
		}
	}
	recorded.Lock()
	defer recorded.Unlock()
	recorded.experiments = append(recorded.experiments, e)
}
