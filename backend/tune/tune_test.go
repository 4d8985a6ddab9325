package tune

import (
	"math"
	"testing"
)

// The formula by hand: T_stale = (10 - 0.55) / (0.9 · 1.1 · a).
func TestRecommend(t *testing.T) {
	target := Target{Staleness: 10, Quantile: 0.9, Ceiling: 60}
	measured := Measured{Clients: 1000, Overhead: 0.55, Stretch: 1}
	const stale = 9.45 / 0.99
	type change func(*Target, *Measured)
	for name, c := range map[string]struct {
		change
		want Advice
	}{
		"freshness alone": {func(*Target, *Measured) {}, Advice{stale, ByStaleness, stale, 0, true, 1000 / stale}},
		"idle clients":    {func(_ *Target, m *Measured) { m.Stretch = 3 }, Advice{stale / 3, ByStaleness, stale / 3, 0, true, 3000 / stale}},
		"a budget that suffices": {func(t *Target, _ *Measured) { t.Budget = 200 },
			Advice{stale, ByStaleness, stale, 5, true, 1000 / stale}},
		"a budget that does not": {func(t *Target, _ *Measured) { t.Budget = 50 },
			Advice{20, ByBudget, stale, 20, false, 1000 / stale}},
		"of which others take a part": {func(t *Target, m *Measured) { t.Budget, m.Unmoved = 70, 20 },
			Advice{20, ByBudget, stale, 20, false, 1000/stale + 20}},
		"or all of it": {func(t *Target, m *Measured) { t.Budget, m.Unmoved = 20, 20 },
			Advice{60, ByCeiling, stale, math.Inf(1), false, 1000/stale + 20}},
		"beyond the ceiling": {func(t *Target, _ *Measured) { t.Budget = 10 },
			Advice{60, ByCeiling, stale, 100, false, 1000 / stale}},
		"an easy target": {func(t *Target, _ *Measured) { t.Staleness, t.Budget = 100, 20 },
			Advice{60, ByCeiling, 99.45 / 0.99, 50, true, 1000. / 60}},
		"and a budget too small for the ceiling": {func(t *Target, _ *Measured) { t.Staleness, t.Budget = 100, 12.5 },
			Advice{60, ByCeiling, 99.45 / 0.99, 80, false, 1000. / 60}},
		"a hard one": {func(t *Target, _ *Measured) { t.Staleness = 1 },
			Advice{1, ByFloor, 0.45 / 0.99, 0, false, 1000 / (0.45 / 0.99)}},
		"an impossible one": {func(t *Target, _ *Measured) { t.Staleness = 0.55 },
			Advice{1, ByFloor, 0, 0, false, math.Inf(1)}},
		"nobody there": {func(t *Target, m *Measured) { t.Budget, m.Clients = 10, 0 },
			Advice{stale, ByStaleness, stale, 0, true, 0}},
	} {
		target, measured := target, measured
		c.change(&target, &measured)
		got := Recommend(target, measured)
		if got.Limit != c.want.Limit || got.Feasible != c.want.Feasible {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		for _, pair := range [][2]float64{{got.Interval, c.want.Interval}, {got.Stale, c.want.Stale}, {got.Cap, c.want.Cap}, {got.Needs, c.want.Needs}} {
			if pair[0] != pair[1] && !(math.Abs(pair[0]-pair[1]) < 1e-9) {
				t.Errorf("%s: %+v, want %+v", name, got, c.want)
				break
			}
		}
	}
}
