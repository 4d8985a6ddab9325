package evidence

import (
	"errors"
	"math"
	"testing"
	"time"

	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// counted is the history of ten seconds in which so much was counted.
func counted(c Counts) *History {
	h := NewHistory(time.Hour)
	h.See(begin, map[string]Report{"a": {}})
	h.See(begin.Add(10*time.Second), map[string]Report{"a": {Counts: c}})
	return h
}

func TestChecks(t *testing.T) {
	fresh := Counts{StalenessCount(Poll, 1): 0, StalenessCount(Poll, 5): 20, StalenessCount(Poll, math.Inf(1)): 20,
		StalenessCount(Bridge, 1): 10, StalenessCount(Bridge, 5): 10, StalenessCount(Bridge, math.Inf(1)): 10}
	for _, c := range []struct {
		check   string
		counts  Counts
		value   float64
		samples int
	}{
		{spec.PollSuccessRatio, Counts{PollsOK: 999, PollsFailed: 1}, 0.999, 1000},
		{spec.PollSuccessRatio, Counts{}, 0, 0},
		{spec.StalenessP95, fresh, 4.8, 20},
		{spec.StalenessP95, Counts{}, 0, 0},
		{spec.FalseEmpties, Counts{FalseEmpties: 2, Audits: 50}, 2, 50},
		{spec.ShadowMissed, Counts{Missed: 1, Compared: 100, Extra: 7}, 0.01, 100},
		{spec.ShadowExtra, Counts{Missed: 1, Compared: 100, Extra: 7}, 0.07, 100},
		{spec.BackendRate, Counts{SourceReads: 50, PollsOK: 7, PollsFailed: 1}, 5, 8},
		{spec.LegacyReconnectRate, Counts{StreamsEnded: 2, StreamSeconds: 200}, 36, 20}, // 2 in 10 s of 20 streams
		{spec.LegacyReconnectRate, Counts{StreamsEnded: 2}, 0, 0},
		{spec.CohortStalenessP95, fresh, 4.8 - 0.95, 10},
	} {
		got := counted(c.counts).Measure(spec.Metric{Name: c.check}, begin, begin.Add(10*time.Second))
		if math.Abs(got.Value-c.value) > 1e-9 || got.Samples != c.samples || got.Err != nil {
			t.Errorf("%s of %v: %+v, want %v of %d", c.check, c.counts, got, c.value, c.samples)
		}
	}
}

// Every check that a spec may name is measured here.
func TestAllChecksAreMeasured(t *testing.T) {
	h := counted(Counts{})
	for _, c := range spec.Checks {
		if got := h.Measure(spec.Metric{Name: c.Name}, begin, begin.Add(10*time.Second)); got.Err != nil {
			t.Errorf("%s: %v", c.Name, got.Err)
		}
	}
	if got := h.Measure(spec.Metric{Name: "none"}, begin, begin.Add(10*time.Second)); got.Err == nil || errors.Is(got.Err, control.ErrLater) {
		t.Errorf("a check that does not exist: %+v", got)
	}
}

func TestWhatWasNotSeenYetComesLater(t *testing.T) {
	for name, h := range map[string]*History{"nothing": NewHistory(time.Hour), "too little": counted(Counts{})} {
		if got := h.Measure(spec.Metric{Name: spec.FalseEmpties}, begin.Add(-time.Minute), begin.Add(10*time.Second)); !errors.Is(got.Err, control.ErrLater) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
