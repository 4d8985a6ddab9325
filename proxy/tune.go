package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"sluice/backend/tune"
	"sluice/proxy/config"
)

type tuneCommand struct {
	configFlag `embed:""`
	Prometheus string        `default:"http://127.0.0.1:9090" placeholder:"URL" help:"Prometheus that scrapes the gateways."`
	Match      string        `placeholder:"MATCHERS" help:"Which gateways, as in job=\"sluice\". Without it: all."`
	Window     time.Duration `default:"1h" help:"How far back to look."`
	Target     time.Duration `placeholder:"TIME" help:"Staleness target, instead of tune.staleness_target."`
	Quantile   float64       `placeholder:"SHARE" help:"Share of items it is for, instead of tune.quantile."`
	Budget     float64       `placeholder:"RATE" help:"Polls a second that one gateway may get, instead of tune.poll_budget."`
	Output     string        `enum:"text,json" default:"text" help:"text or json."`
}

// Run reads what was measured, and prints the recommendation and what other
// intervals would bring.
func (k *tuneCommand) Run(ctx context.Context, p Process) error {
	c, err := k.load(p)
	if err != nil {
		return err
	}
	if err := k.override(&c); err != nil {
		return err
	}
	q, err := newQuerier(k.Prometheus, k.Match, k.Window)
	if err != nil {
		return err
	}
	m, err := q.measure(ctx, c.Tune.Quantile)
	if err != nil {
		return err
	}
	report := newTuneReport(c, k.Window, m)
	if k.Output == "json" {
		return report.writeJSON(p.Stdout)
	}
	_, err = io.WriteString(p.Stdout, report.text())
	return err
}

// override puts the command line over the configuration.
func (k *tuneCommand) override(c *config.Config) error {
	if k.Target != 0 {
		c.Tune.StalenessTarget = k.Target
	}
	if k.Quantile != 0 {
		c.Tune.Quantile = k.Quantile
	}
	if k.Budget != 0 {
		c.Tune.PollBudget = k.Budget
	}
	switch {
	case c.Tune.StalenessTarget < time.Second:
		return errors.New("--target: want 1s or more")
	case !(c.Tune.Quantile >= 0.5 && c.Tune.Quantile <= 0.999):
		return errors.New("--quantile: want 0.5 to 0.999")
	case !(c.Tune.PollBudget >= 0):
		return errors.New("--budget: want 0 or more")
	case k.Window < 10*time.Second:
		return errors.New("--window: want 10s or more")
	}
	return nil
}

// tuneReport is what sluice tune prints; its JSON is API. Times are seconds, rates
// per second, over all gateways.
type tuneReport struct {
	Target struct {
		Staleness  float64 `json:"staleness_seconds"`
		Quantile   float64 `json:"quantile"`
		PollBudget float64 `json:"polls_per_second"` // 0: none
	} `json:"target"`
	Window      float64     `json:"window_seconds"`
	Measured    tuneFigures `json:"measured"`
	Recommended struct {
		Interval  float64    `json:"interval_seconds"`
		Whole     int        `json:"poll_interval_seconds"` // what to set
		LimitedBy tune.Limit `json:"limited_by"`
		Feasible  bool       `json:"feasible"`
		Needs     *float64   `json:"needs_polls_per_second"` // null: none suffice
		Stale     float64    `json:"t_stale_seconds"`
		Cap       *float64   `json:"t_cap_seconds"` // null: the budget is gone
	} `json:"recommended"`
	Intervals []tunePoint `json:"intervals"`
}

// tunePoint is what an interval would bring.
type tunePoint struct {
	Interval  int     `json:"interval_seconds"`
	Staleness float64 `json:"staleness_seconds"`
	Polls     float64 `json:"polls_per_second"`
}

func newTuneReport(c config.Config, window time.Duration, m tuneFigures) tuneReport {
	var r tuneReport
	r.Window, r.Measured = window.Seconds(), m
	target := targetOf(c)
	target.Budget *= m.Gateways // the configuration's is for each
	r.Target.Staleness, r.Target.Quantile, r.Target.PollBudget = target.Staleness, target.Quantile, target.Budget
	a := tune.Recommend(target, m.model())
	r.Recommended.Interval, r.Recommended.LimitedBy, r.Recommended.Feasible = a.Interval, a.Limit, a.Feasible
	r.Recommended.Whole = int(a.Interval)
	if a.Limit == tune.ByBudget {
		r.Recommended.Whole = int(math.Ceil(a.Interval))
	}
	r.Recommended.Stale, r.Recommended.Needs, r.Recommended.Cap = a.Stale, finite(a.Needs), finite(a.Cap)
	for _, t := range shownIntervals(int(target.Ceiling), r.Recommended.Whole, int(math.Round(m.Advised))) {
		r.Intervals = append(r.Intervals, tunePoint{t, m.model().Staleness(float64(t), target.Quantile), m.model().Polls(float64(t))})
	}
	return r
}

// shownIntervals are the usual ones up to the ceiling, and some more.
func shownIntervals(ceiling int, more ...int) []int {
	all := append([]int{1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 120, 300, 600, ceiling}, more...)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(t int) bool { return t < 1 || t > ceiling })
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

func (r tuneReport) writeJSON(w io.Writer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", text)
	}
	return err
}
