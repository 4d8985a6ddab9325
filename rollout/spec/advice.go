package spec

import (
	"fmt"
	"math"
	"time"

	"sluice/rollout"
)

// Site is what a rollout meets: the flag file, and configuration that its checks
// depend on.
type Site struct {
	rollout.Baseline
	Flags           bool          // a flag file is named
	PollInterval    time.Duration // poll.interval
	OldPageDuration time.Duration // compat.old_page_duration
	AuditRatio      int           // cache.audit_ratio
	ShadowRatio     float64       // rollout.shadow_ratio
}

// start is the state before the rollout, to the whole percent.
func (s Site) start() State {
	return State{Weight: int(math.Round(s.Poll)), Stream: s.Stream}
}

// firstTooMuch is above what one should dare before anything is known.
const firstTooMuch = 25

// Advice is what is allowed and was hardly meant, or is unwise, a line each.
func (s Spec) Advice(site Site) []string {
	a := adviser{spec: s, site: site}
	a.flags()
	a.weights()
	for i, st := range s.Steps {
		for _, m := range st.Metrics {
			place := fmt.Sprintf("%s in spec.steps[%d]", m.Name, i)
			a.metric(m, place)
			a.dataDuring(m, place, "then", i)
		}
	}
	if s.Background != nil {
		a.background(*s.Background)
	}
	return a.lines
}

type adviser struct {
	spec  Spec
	site  Site
	lines []string
}

func (a *adviser) say(format string, args ...any) {
	a.lines = append(a.lines, fmt.Sprintf(format, args...))
}

func (a *adviser) flags() {
	switch {
	case !a.site.Flags:
		a.say("rollout.flags is empty: everybody polls already, and the steps move nobody; name a flag file")
	case a.site.Disabled:
		a.say("%s is DISABLED in the flag file: everybody is on sse, and the rollout is paused until it is ENABLED", rollout.TransportFlag)
	}
}

// weights looks at the first weight and at the last.
func (a *adviser) weights() {
	first := true
	for i, st := range a.spec.Steps {
		if st.Verb != SetWeight || st.Weight == 0 {
			continue
		}
		if first {
			a.firstWeight(i, st.Weight)
			first = false
		}
		if st.Weight == 100 {
			if !a.checkedBefore(i) {
				a.say("nothing is checked before spec.steps[%d] puts everybody on poll: put an analysis before it, or one beside the steps", i)
			}
			return
		}
	}
}

func (a *adviser) firstWeight(step, weight int) {
	if a.site.Flags && a.site.Poll > float64(weight) {
		a.say("the flag file has %g %% of users on poll, and spec.steps[%d] sets %d: that moves users back", a.site.Poll, step, weight)
	}
	if weight > firstTooMuch {
		a.say("spec.steps[%d] is the first to move users, and moves %d %% at once; %d or less can do less harm", step, weight, firstTooMuch)
	}
	if to := a.spec.Rollback.ToWeight; to >= weight {
		a.say("an abort right after spec.steps[%d] moves nobody back: rollback.toWeight is %d, its weight %d", step, to, weight)
	}
}

// checkedBefore says whether any result can abort the rollout before a step.
func (a *adviser) checkedBefore(step int) bool {
	var metrics []Metric
	for _, st := range a.spec.Steps[:step] {
		metrics = append(metrics, st.Metrics...)
	}
	if step > 0 && a.spec.Measures(step-1) {
		metrics = append(metrics, a.spec.Background.Metrics...)
	}
	for _, m := range metrics {
		if !m.DryRun {
			return true
		}
	}
	return false
}

// metric looks at what makes a metric useless at this site.
func (a *adviser) metric(m Metric, place string) {
	if m.Source == Prometheus {
		if m.Address == "" {
			a.say("%s never has data: there is no prometheus.address, neither in spec nor in the metric", place)
		}
		return
	}
	top := math.Inf(1)
	if m.Range.Max != nil {
		top = *m.Range.Max
	}
	rate := time.Hour.Seconds() / a.site.OldPageDuration.Seconds()
	switch check, _ := CheckNamed(m.Name); {
	case m.Name == FalseEmpties && a.site.AuditRatio == 0:
		a.say("%s never has data: cache.audit_ratio is 0", place)
	case (m.Name == ShadowMissed || m.Name == ShadowExtra) && a.site.ShadowRatio == 0:
		a.say("%s never has data: rollout.shadow_ratio is 0", place)
	case check.Unit == Seconds && top < a.site.PollInterval.Seconds():
		a.say("%s may be at most %g s, and clients poll once in %s (poll.interval)", place, top, Short(a.site.PollInterval))
	case m.Name == LegacyReconnectRate && top < rate:
		a.say("%s may be at most %g/h, and compat.old_page_duration %s alone makes %.0f", place, top, Short(a.site.OldPageDuration), rate)
	}
}

// dataDuring says so if a metric can have no data during a step, and whether that
// was so.
func (a *adviser) dataDuring(m Metric, place, when string, step int) bool {
	check, ok := CheckNamed(m.Name)
	if !ok || m.Source != Internal || m.OnNoData == Pass || m.DryRun || check.Needs.met(a.spec.After(step, a.site.start())) {
		return true
	}
	becomes := "the step never ends"
	if m.OnNoData == Fail {
		becomes = "it fails"
	}
	a.say("%s has no data %s: it needs %s; onNoData is %s, so %s", place, when, check.Needs, m.OnNoData, becomes)
	return false
}

// met says whether a state has any of whom a check watches.
func (n Need) met(s State) bool {
	switch n {
	case Pollers:
		return s.Weight > 0
	case AppStream:
		return s.Stream == rollout.Upstream || s.Stream == ""
	case Both:
		return s.Weight > 0 && s.Weight < 100 && s.Stream != rollout.Retired
	}
	return s.Stream != rollout.Retired
}

func (a *adviser) background(b Background) {
	for _, m := range b.Metrics {
		place := m.Name + " in spec.analysis"
		a.metric(m, place)
		for step := b.StartingStep; step < len(a.spec.Steps); step++ {
			if a.spec.moves(step) {
				continue
			}
			if !a.dataDuring(m, place, fmt.Sprintf("during spec.steps[%d]", step), step) {
				break
			}
		}
	}
}

// moves says whether a step is over at once.
func (s Spec) moves(step int) bool {
	verb := s.Steps[step].Verb
	return verb == SetWeight || verb == SetStream
}
