// Package spec reads rollout.yaml: the steps in which users move to polling, and
// the evidence that each step needs.
//
// The words are those of Argo Rollouts and Flagger. Steps are counted from 0, as
// in Argo and as in the places that errors name (spec.steps[0]).
//
// The package promises that a [Spec] it returns
//
//   - has at least one step, and in each step exactly what its verb needs;
//   - never lowers a weight and never moves the stream back (upstream, bridge,
//     retired), and retires it only behind setWeight 100 and setStream bridge;
//   - has every default filled in, so that readers need no rule of their own.
//
// What may be written stands in rollout.schema.json too; a test keeps both alike.
package spec

import (
	"time"

	"sluice/rollout"
)

// Spec is one rollout.
type Spec struct {
	Name string // metadata.name; may be empty
	// Steps run one after the other. The rollout is complete behind the last.
	Steps []Step
	// Background is checked all along; nil when the file has no spec.analysis.
	Background *Background
	// ProgressDeadline is the longest time that one step may take before the
	// rollout is aborted; 0 means for ever. What people are waited for does not
	// count: a pause until promoted, a rollout paused by an operator, and the last old
	// pages before setStream retired.
	ProgressDeadline time.Duration
	Rollback         Rollback
}

// Rollback is what an abort does, whoever asks for it.
type Rollback struct {
	// ToWeight is the weight an abort goes back to, 0..99. A weight that is not
	// above it stays.
	ToWeight int
	// Cooldown is how long after an abort retry is refused.
	Cooldown time.Duration
}

// Verb is what a step does, by its key in the file.
type Verb string

// The verbs.
const (
	SetWeight Verb = "setWeight"
	SetStream Verb = "setStream"
	Pause     Verb = "pause"
	Analyse   Verb = "analysis"
)

// Step is one step. Of the fields below Verb only that of the verb is set.
type Step struct {
	Verb   Verb
	Weight int            // setWeight: percent of users on poll, 0..100
	Stream rollout.Stream // setStream
	// Pause is how long the step waits; 0 means until promoted.
	Pause time.Duration
	// Metrics are those of an analysis, at least one. The step is over when each
	// has passed Count times, and the rollout is aborted when one has failed.
	Metrics []Metric
}

// Background is the analysis that runs beside the steps.
type Background struct {
	// StartingStep is the step at whose beginning it begins.
	StartingStep int
	// Metrics are measured until the rollout is complete. Their Count is 0.
	Metrics []Metric
}

// Source is where the values of a metric come from.
type Source string

// The sources.
const (
	Internal   Source = "internal"   // one of [Checks]
	Prometheus Source = "prometheus" // a query
)

// NoData is what becomes of a measurement without data: fewer samples than
// MinSamples, a query without a result, a source that does not answer.
type NoData string

// What can become of it.
const (
	Inconclusive NoData = "inconclusive" // neither: no step ends until there is data, and status says so
	Pass         NoData = "pass"
	Fail         NoData = "fail"
)

// Metric is one thing that is measured once an interval. A measurement looks at
// the interval just past, over all replicas; the first one is made one interval after
// the analysis began. It passes when its value is within Range.
type Metric struct {
	// Name is that of a check when the source is internal, else any.
	Name   string
	Source Source
	// Query (PromQL, one number) and Address (base URL, without a password) are for
	// prometheus only. An empty Address never has data.
	Query, Address string
	Range          Range
	Interval       time.Duration // at least 1 s
	// Count is how many measurements must pass to end a step's analysis.
	Count int
	// FailureLimit is how many measurements may fail in the whole analysis; one more
	// fails the metric.
	FailureLimit int
	// MinSamples is how many samples make data; what a sample is, [Check] says.
	// Always 0 for prometheus, whose query can say it itself.
	MinSamples int
	OnNoData   NoData
	// DryRun: the result is reported, and whatever it is, counts as passed.
	DryRun bool
}

// Range is the values that pass. At least one end is set; both ends belong to it.
type Range struct{ Min, Max *float64 }

// Holds says whether v passes. NaN never does.
func (r Range) Holds(v float64) bool {
	return v == v && (r.Min == nil || v >= *r.Min) && (r.Max == nil || v <= *r.Max)
}

// State is what the steps move: percent of users on poll, and the stream of all.
type State struct {
	Weight int
	Stream rollout.Stream
}

// After is the state once the steps up to and including the given one have run,
// from the one before the rollout. What no step has set stays.
func (s Spec) After(step int, from State) State {
	for _, st := range s.Steps[:step+1] {
		switch st.Verb {
		case SetWeight:
			from.Weight = st.Weight
		case SetStream:
			from.Stream = st.Stream
		}
	}
	return from
}

// Measures says whether the background analysis runs during the given step.
func (s Spec) Measures(step int) bool {
	return s.Background != nil && step >= s.Background.StartingStep
}
