package control

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/rollout/spec"
)

// Beside marks the names of background checks in State.Checks.
const Beside = "+"

// measure takes what measurements are due. It reports false when one of them has
// aborted the rollout.
func (m Machine) measure(s *State, w World, metrics []spec.Metric, prefix string) bool {
	for _, metric := range metrics {
		name := prefix + metric.Name
		p, begun := s.Checks[name]
		switch {
		case !begun:
			p = Progress{Measured: w.Now}
		case w.Now.Before(p.Measured): // by the clock of a leader before, or before it was put back
			p.Measured = w.Now
		case w.Now.Sub(p.Measured) >= metric.Interval && !done(p, metric):
			p = look(p, metric, w)
		}
		if s.Checks == nil {
			s.Checks = map[string]Progress{}
		}
		s.Checks[name] = p
		if p.Failed > metric.FailureLimit {
			why := itself(ByCheck, fmt.Sprintf("step %d: %s failed more often than %d times", s.Step, metric.Name, metric.FailureLimit))
			if p.Note != "" {
				why.Cause += "; " + p.Note
			}
			why.Check, why.Value, why.Threshold = metric.Name, p.Value, metric.Range.String()
			m.abort(s, w.Now, why)
			return false
		}
	}
	return true
}

// done says whether a check has nothing more to show.
func done(p Progress, metric spec.Metric) bool {
	return metric.Count > 0 && p.Passed >= metric.Count
}

// passed says whether all checks of a step have, and else what is waited for.
func passed(s *State, metrics []spec.Metric) bool {
	for _, metric := range metrics {
		p := s.Checks[metric.Name]
		if done(p, metric) {
			continue
		}
		s.Reason = fmt.Sprintf("waiting for %s, which has passed %d of %d times", metric.Name, p.Passed, metric.Count)
		if p.Inconclusive > 0 {
			s.Reason += "; " + p.Note
		}
		return false
	}
	return true
}

// lacksData says whether a background check has none, so that no step may end.
func (m Machine) lacksData(s *State) bool {
	if s.Phase != Progressing || !m.Spec.Measures(s.Step) {
		return false
	}
	for _, metric := range m.Spec.Background.Metrics {
		if p := s.Checks[Beside+metric.Name]; p.Inconclusive > 0 {
			s.Reason = fmt.Sprintf("waiting for data of %s; %s", metric.Name, p.Note)
			return true
		}
	}
	return false
}

// forgetChecks drops those of the step.
func (s *State) forgetChecks() {
	for name := range s.Checks {
		if !strings.HasPrefix(name, Beside) {
			delete(s.Checks, name)
		}
	}
}

// restartChecks lets those of the step begin anew where they are: what happened
// while the rollout was paused is none of their business.
func (s *State) restartChecks(now time.Time) {
	for name, p := range s.Checks {
		if !strings.HasPrefix(name, Beside) {
			p.Measured = now
			s.Checks[name] = p
		}
	}
}

// patience is how much later than twice its interval a measurement may come.
const patience = 15 * time.Second

// look takes one measurement: over the time since the last one, or an interval
// when that is long ago.
func look(p Progress, metric spec.Metric, w World) Progress {
	since, late := p.Measured, w.Now.Sub(p.Measured)-2*metric.Interval
	if late >= 0 {
		since = w.Now.Add(-metric.Interval)
	}
	found := w.Measure(metric, since)
	if errors.Is(found.Err, ErrLater) && late < patience {
		return p
	}
	p.Measured, p.Samples = w.Now, found.Samples
	return p.count(judge(&p, metric, found), metric)
}

// judge says what a measurement means, and notes its value or why there is none.
func judge(p *Progress, metric spec.Metric, found Measurement) spec.NoData {
	p.Value, p.Note = nil, ""
	switch {
	case found.Err != nil:
		p.Note = "no data: " + brief(found.Err.Error())
		return metric.OnNoData
	case found.Samples < metric.MinSamples:
		p.Note = fmt.Sprintf("no data: %d samples, %d are needed", found.Samples, metric.MinSamples)
		return metric.OnNoData
	}
	p.Value = &found.Value
	if metric.Range.Holds(found.Value) {
		return spec.Pass
	}
	return spec.Fail
}

// longestNote is in bytes. The state is read by all replicas every second, and what a
// source says of its trouble can be a page.
const longestNote = 300

func brief(s string) string {
	if len(s) <= longestNote {
		return s
	}
	return strings.ToValidUTF8(s[:longestNote], "") + "…"
}

// count adds a verdict. In a dry run all count as passed.
func (p Progress) count(verdict spec.NoData, metric spec.Metric) Progress {
	if metric.DryRun && verdict != spec.Pass {
		if verdict == spec.Fail && p.Value != nil {
			p.Note = "outside its limit"
		}
		p.Note += "; a dry run passes"
		verdict = spec.Pass
	}
	switch verdict {
	case spec.Pass:
		p.Passed, p.Inconclusive = p.Passed+1, 0
	case spec.Fail:
		p.Failed, p.Inconclusive = p.Failed+1, 0
	default:
		p.Inconclusive++
	}
	return p
}
