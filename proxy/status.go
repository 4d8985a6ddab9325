package proxy

import (
	"slices"
	"time"

	"sluice/rollout"
	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// rolloutStatus is the answer to GET /rollout: where the rollout is, what it waits
// for, and how it got there.
type rolloutStatus struct {
	Name      string          `json:"name,omitempty"`
	Version   uint64          `json:"version"`
	Phase     control.Phase   `json:"phase,omitempty"` // empty: not known, or not begun
	Step      int             `json:"step"`
	Weight    int             `json:"weight"`
	Stream    rollout.Stream  `json:"stream,omitempty"`
	Reason    string          `json:"reason,omitempty"` // what is waited for; in another phase than progressing, why it is there
	Since     *time.Time      `json:"since,omitempty"`  // the phase
	StepBegan *time.Time      `json:"step_began,omitempty"`
	StepEnds  *time.Time      `json:"step_ends,omitempty"` // a timed pause
	Deadline  *time.Time      `json:"deadline,omitempty"`  // of the step
	RetryFrom *time.Time      `json:"retry_from,omitempty"`
	Steps     []string        `json:"steps"`
	Checks    []checkStatus   `json:"checks"`
	LastAbort *control.Entry  `json:"last_abort,omitempty"`
	Disabled  []string        `json:"disabled,omitempty"` // flags, in this gateway's flag file
	Replica   string          `json:"replica"`
	Leader    bool            `json:"leader"` // this replica
	Replicas  int             `json:"replicas"`
	Frozen    string          `json:"frozen,omitempty"` // why
	OtherSpec bool            `json:"other_spec,omitempty"`
	Audit     []control.Entry `json:"audit"`
}

// checkStatus is one check that is being measured, or will be in this step.
type checkStatus struct {
	Name         string      `json:"name"`
	Source       spec.Source `json:"source"`
	Background   bool        `json:"background,omitempty"`
	DryRun       bool        `json:"dry_run,omitempty"`
	Value        *float64    `json:"value,omitempty"`
	Limit        string      `json:"limit"`
	Unit         spec.Unit   `json:"unit,omitempty"`
	Samples      int         `json:"samples"`
	MinSamples   int         `json:"min_samples"`
	Passed       int         `json:"passed"`
	Count        int         `json:"count,omitempty"` // needed to end the step
	Failed       int         `json:"failed"`
	FailureLimit int         `json:"failure_limit"`
	NoData       int         `json:"no_data"` // in a row
	OnNoData     spec.NoData `json:"on_no_data"`
	Note         string      `json:"note,omitempty"`
	Next         *time.Time  `json:"next,omitempty"` // measurement
}

// status is what this gateway knows.
func (k *controller) status() rolloutStatus {
	now := k.runner.Status()
	s := now.State
	out := rolloutStatus{
		Name: k.spec.Name, Version: s.Version, Phase: s.Phase, Step: s.Step, Weight: s.Weight, Stream: s.Stream, Reason: s.Reason,
		Steps: []string{}, Checks: []checkStatus{}, Disabled: k.gateway.flags.Disabled(),
		Replica: k.me, Leader: now.Leads, Replicas: int(k.replicas.Load()), Audit: s.Audit,
	}
	if out.Audit == nil {
		out.Audit = []control.Entry{}
	}
	for _, st := range k.spec.Steps {
		out.Steps = append(out.Steps, st.String())
	}
	if now.Frozen != nil {
		out.Frozen = now.Frozen.Error()
	}
	if !now.Known {
		return out
	}
	out.Since, out.StepBegan = &s.Since, &s.Began
	if i := lastAbort(s.Audit); i >= 0 {
		out.LastAbort = &s.Audit[i]
	}
	if s.Phase == control.Aborted && k.spec.Rollback.Cooldown > 0 {
		out.RetryFrom = later(s.Since, k.spec.Rollback.Cooldown)
	}
	if out.OtherSpec = s.Spec != control.For(k.spec).Hash; !out.OtherSpec && s.Step < len(k.spec.Steps) {
		k.describeStep(&out, s)
	}
	return out
}

// describeStep adds what is to be said of the step under way.
func (k *controller) describeStep(out *rolloutStatus, s control.State) {
	st := k.spec.Steps[s.Step]
	if s.Phase == control.Progressing && st.Pause > 0 {
		out.StepEnds = later(s.Began, st.Pause+s.Waited)
	}
	if s.Phase == control.Progressing && k.spec.ProgressDeadline > 0 && st.WaitsFor() == "" {
		out.Deadline = later(s.Began, k.spec.ProgressDeadline+s.Waited)
	}
	if s.Phase != control.Progressing && s.Phase != control.Paused {
		return
	}
	for _, m := range st.Metrics {
		out.Checks = append(out.Checks, describeCheck(m, s, ""))
	}
	if k.spec.Measures(s.Step) {
		for _, m := range k.spec.Background.Metrics {
			out.Checks = append(out.Checks, describeCheck(m, s, control.Beside))
		}
	}
}

func describeCheck(m spec.Metric, s control.State, prefix string) checkStatus {
	p, begun := s.Checks[prefix+m.Name]
	c := checkStatus{
		Name: m.Name, Source: m.Source, Background: prefix != "", DryRun: m.DryRun,
		Value: p.Value, Limit: m.Range.String(), Samples: p.Samples, MinSamples: m.MinSamples,
		Passed: p.Passed, Count: m.Count, Failed: p.Failed, FailureLimit: m.FailureLimit, NoData: p.Inconclusive, OnNoData: m.OnNoData, Note: p.Note,
	}
	if check, ok := spec.CheckNamed(m.Name); ok && m.Source == spec.Internal {
		c.Unit, c.Limit = check.Unit, m.Range.In(check.Unit)
	}
	if begun {
		c.Next = later(p.Measured, m.Interval)
	}
	return c
}

// lastAbort finds the latest entry of one.
func lastAbort(audit []control.Entry) int {
	for i, e := range slices.Backward(audit) {
		if e.Change == "phase" && e.To == string(control.Aborted) {
			return i
		}
	}
	return -1
}

func later(t time.Time, d time.Duration) *time.Time {
	t = t.Add(d)
	return &t
}
