package lab

import (
	"slices"
	"testing"
)

// Names of figures that several experiments have; the unit stands in the name.
const (
	Rate      = "requests/s"
	P50       = "p50 ms"
	P99       = "p99 ms"
	ServerCPU = "server CPU s/100k"
	TotalCPU  = "all CPU s/100k" // with the servers behind it, without the load
	LoadBusy  = "load's core busy"
)

// Figures are what one run measured, by name.
type Figures map[string]float64

// Contender is measured side by side with others.
type Contender struct {
	Name string // in tables and plots
	What string // what it is made of, or the command that starts it
	Run  func(testing.TB) Figures
}

// Measured is what the runs of a contender gave.
type Measured struct {
	Name   string               `json:"name"`
	What   string               `json:"what,omitempty"`
	Values map[string][]float64 `json:"values"` // by figure, in the order of the runs
}

// Interleave lets each contender run once, then each again, so that a machine that
// gets slower or faster does so for all of them.
func Interleave(t testing.TB, contenders ...Contender) []Measured {
	t.Helper()
	return InterleaveTimes(t, 1, contenders...)
}

// InterleaveTimes is Interleave with so many times as many runs: those of closed loops
// (Turns), and where the machine's other guests decide, as of a quantile far out.
func InterleaveTimes(t testing.TB, times int, contenders ...Contender) []Measured {
	t.Helper()
	all := make([]Measured, len(contenders))
	for range times * Measuring().Repeats {
		for i, c := range contenders {
			all[i].Name, all[i].What = c.Name, c.What
			all[i].add(c.Run(t))
		}
	}
	return all
}

func (m *Measured) add(f Figures) {
	if m.Values == nil {
		m.Values = map[string][]float64{}
	}
	for name, value := range f {
		m.Values[name] = append(m.Values[name], value)
	}
}

// Median is the middle value; the mean of the two in the middle if their number is
// even, and 0 if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// Quantile is the smallest of the sorted values that at least a share q of them do not
// exceed (the nearest rank).
func Quantile[T any](sorted []T, q float64) (value T) {
	if len(sorted) == 0 {
		return value
	}
	rank := int(q * float64(len(sorted)))
	if float64(rank) < q*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}
