package proxy

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/rollout"
	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// rolloutMetrics exist where there is a rollout.
type rolloutMetrics struct {
	target      *prometheus.GaugeVec
	spec        spec.Spec
	step        *prometheus.GaugeVec
	phase       *prometheus.GaugeVec
	stalled     prometheus.Gauge
	transitions *prometheus.CounterVec
	analysis    *prometheus.GaugeVec
	limit       *prometheus.GaugeVec
}

func (m *metrics) forRollout(s spec.Spec) {
	r := &rolloutMetrics{
		spec:        s,
		target:      gauges("rollout_target_ratio", "Share of the users not named in the flag file who are on the new side: on poll; off the app's own stream.", "flag"),
		step:        gauges("rollout_step", "The rollout's step, counted from 0.", "flag"),
		phase:       gauges("rollout_phase", "1 for the phase that the rollout is in.", "phase"),
		stalled:     gauge("rollout_stalled_seconds", "How long the rollout has been waiting for data that a check lacks."),
		transitions: counter("rollout_transitions_total", "Changes that this gateway made: of the rollout's phase (notifications-transport) and of the stream (legacy-stream).", "flag", "from", "to", "cause"),
		analysis:    gauges("rollout_analysis_value", "What a check last measured; NaN when it had no data.", "flag", "metric"),
		limit:       gauges("rollout_analysis_limit", "The ends of a check's thresholdRange.", "flag", "metric", "bound"),
	}
	m.rollout = r
	m.registry.MustRegister(r.target, r.step, r.phase, r.stalled, r.transitions, r.analysis, r.limit)
	for _, flag := range []string{rollout.TransportFlag, rollout.StreamFlag} {
		r.target.WithLabelValues(flag)
		r.step.WithLabelValues(flag)
	}
	for _, p := range control.Phases {
		r.phase.WithLabelValues(string(p))
	}
	for _, t := range control.Transitions() {
		r.transition(t.Change, t.From, t.To, t.Trigger)
	}
	for _, metric := range metricsOf(s) {
		r.analysis.WithLabelValues(rollout.TransportFlag, metric.Name).Set(math.NaN())
		r.limits(metric)
	}
}

// limits shows the thresholdRange of a check.
func (r *rolloutMetrics) limits(m spec.Metric) {
	for bound, end := range map[string]*float64{"min": m.Range.Min, "max": m.Range.Max} {
		if end != nil {
			r.limit.WithLabelValues(rollout.TransportFlag, m.Name, bound).Set(*end)
		}
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
	for _, p := range control.Phases {
		r.phase.WithLabelValues(string(p)).Set(0)
	}
	r.phase.WithLabelValues(string(s.Phase)).Set(1)
	stalled := time.Duration(0)
	for name, metric := range r.inForce(s) {
		r.limits(metric)
		stalled = max(stalled, time.Duration(s.Checks[name].Inconclusive)*metric.Interval)
	}
	r.stalled.Set(stalled.Seconds())
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

// inForce are the checks that a step waits for, by their names in the state: its own
// and, with a mark before it, each of the background.
func (r *rolloutMetrics) inForce(s control.State) map[string]spec.Metric {
	if s.Phase != control.Progressing || s.Spec != control.For(r.spec).Hash {
		return nil
	}
	checks := map[string]spec.Metric{}
	for _, m := range r.spec.Steps[s.Step].Metrics {
		checks[m.Name] = m
	}
	if r.spec.Measures(s.Step) {
		for _, m := range r.spec.Background.Metrics {
			checks[control.Beside+m.Name] = m
		}
	}
	return checks
}
