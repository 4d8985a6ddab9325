package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/backend/tune"
	"sluice/proxy/config"
)

// tuning measures what the choice of an interval needs, and recommends one.
type tuning struct {
	window *tune.Window
	live   func() *config.Config
}

func (g *Gateway) newTuning() *tuning {
	t := &tuning{tune.NewWindow(time.Now()), g.live.Load}
	g.metrics.recommend(t.measured, t.advice)
	return t
}

func (t *tuning) measured() tune.Measured {
	return t.window.Measured(time.Now(), t.live().Tune.Quantile)
}

func (t *tuning) advice() tune.Advice { return tune.Recommend(targetOf(*t.live()), t.measured()) }

// targetOf is what a configuration asks for.
func targetOf(c config.Config) tune.Target {
	return tune.Target{
		Staleness: c.Tune.StalenessTarget.Seconds(), Quantile: c.Tune.Quantile,
		Budget: c.Tune.PollBudget, Ceiling: c.Poll.Ceiling.Seconds(),
	}
}

// recommend shows the recommendation and what it is made of.
func (m *metrics) recommend(measured func() tune.Measured, advice func() tune.Advice) {
	show := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
	}
	show("poll_interval_recommended_seconds", "The longest interval that meets the staleness target, within the poll budget.",
		func() float64 { return advice().Interval })
	show("poll_active_clients", "Clients that poll as they are told, over the last five minutes: polls a second times the time between two of a client.",
		func() float64 { return measured().Clients })
	show("poll_interval_stretch_ratio", "How much longer than told the waits are in which items come, since clients poll more rarely while nothing happens.",
		func() float64 { return measured().Stretch })
	show("delivery_overhead_seconds", "The part of an item's staleness that is no wait for a poll.",
		func() float64 { return measured().Overhead })
}
