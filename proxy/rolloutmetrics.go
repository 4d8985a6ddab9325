package proxy

import (
	"cmp"
	"math"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/rollout"
	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// rolloutMetrics exist where there is a rollout.
type rolloutMetrics struct {
	target      *prometheus.GaugeVec
	step        *prometheus.GaugeVec
	transitions *prometheus.CounterVec
	analysis    *prometheus.GaugeVec
}

func (m *metrics) forRollout(s spec.Spec) {
	r := &rolloutMetrics{
		target:      gauges("rollout_target_ratio", "Share of the users not named in the flag file who are on the new side: on poll; off the app's own stream.", "flag"),
		step:        gauges("rollout_step", "The rollout's step, counted from 0.", "flag"),
		transitions: counter("rollout_transitions_total", "Changes that this gateway made: of the rollout's phase (notifications-transport) and of the stream (legacy-stream).", "flag", "from", "to", "cause"),
		analysis:    gauges("rollout_analysis_value", "What a check last measured; NaN when it had no data.", "flag", "metric"),
	}
	m.rollout = r
	m.registry.MustRegister(r.target, r.step, r.transitions, r.analysis)
	for _, flag := range []string{rollout.TransportFlag, rollout.StreamFlag} {
		r.target.WithLabelValues(flag)
		r.step.WithLabelValues(flag)
	}
	for _, t := range control.Transitions() {
		r.transition(t.Change, t.From, t.To, t.Trigger)
	}
	for _, metric := range metricsOf(s) {
		r.analysis.WithLabelValues(rollout.TransportFlag, metric.Name).Set(math.NaN())
	}
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// flagOfChange is the flag that a kind of change is counted under.
var flagOfChange = map[string]string{"phase": rollout.TransportFlag, "stream": rollout.StreamFlag}

// transition is the counter of one; nil for what is none.
func (r *rolloutMetrics) transition(change, from, to string, cause control.Trigger) prometheus.Counter {
	flag, ok := flagOfChange[change]
	if !ok {
		return nil
	}
	return r.transitions.WithLabelValues(flag, cmp.Or(from, "none"), to, string(cause))
}

func (m *metrics) countTransition(e control.Entry) {
	if c := m.rollout.transition(e.Change, e.From, e.To, e.Trigger); c != nil {
		c.Inc()
	}
}

// showRollout puts a state into the gauges.
func (m *metrics) showRollout(s control.State) {
	r := m.rollout
	bridged := 1.0
	if s.Stream == rollout.Upstream {
		bridged = 0
	}
	r.target.WithLabelValues(rollout.TransportFlag).Set(float64(s.Weight) / 100)
	r.target.WithLabelValues(rollout.StreamFlag).Set(bridged)
	for _, flag := range []string{rollout.TransportFlag, rollout.StreamFlag} {
		r.step.WithLabelValues(flag).Set(float64(s.Step))
	}
	for name, p := range s.Checks {
		metric, beside := strings.CutPrefix(name, control.Beside)
		if _, also := s.Checks[metric]; beside && also {
			continue // what the step measures decides first
		}
		value := math.NaN()
		if p.Value != nil {
			value = *p.Value
		}
		r.analysis.WithLabelValues(rollout.TransportFlag, metric).Set(value)
	}
}
