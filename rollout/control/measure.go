package control

import (
	"fmt"

	"sluice/rollout/spec"
)

// measure takes what measurements are due. It reports false when one of them has
// ended the rollout's progress.
func (m Machine) measure(s *State, w World, metrics []spec.Metric, prefix string) bool {
	for _, metric := range metrics {
		name := prefix + metric.Name
		p, begun := s.Checks[name]
		if !begun {
			p = Progress{Began: w.Now, Measured: w.Now}
		}
		if due := w.Now.Sub(p.Measured) >= metric.Interval; begun && due && !m.done(p, metric) {
			p = look(p, metric, w)
		}
		if s.Checks == nil {
			s.Checks = map[string]Progress{}
		}
		s.Checks[name] = p
		if p.Failed > metric.FailureLimit && !metric.DryRun {
			m.abort(s, w.Now, Entry{
				Actor: Controller, Cause: fmt.Sprintf("step %d: %s failed %d times, %d are allowed", s.Step, metric.Name, p.Failed, metric.FailureLimit),
				Check: metric.Name, Value: p.Value, Threshold: threshold(metric.Range),
			})
			return false
		}
	}
	return true
}

// done says whether a check has nothing more to show.
func (m Machine) done(p Progress, metric spec.Metric) bool {
	return metric.Count > 0 && p.Passed >= metric.Count
}

// passed says whether all checks of a step have, and else what is waited for.
func (m Machine) passed(s *State, metrics []spec.Metric) bool {
	for _, metric := range metrics {
		p := s.Checks[metric.Name]
		if m.done(p, metric) {
			continue
		}
		s.Reason = fmt.Sprintf("waiting for %s: passed %d of %d times", metric.Name, p.Passed, metric.Count)
		if p.Note != "" {
			s.Reason += "; " + p.Note
		}
		return false
	}
	return true
}

// look takes one measurement.
func look(p Progress, metric spec.Metric, w World) Progress {
	found := w.Measure(metric, p.Measured)
	p.Measured, p.Samples, p.Value, p.Note = w.Now, found.Samples, nil, ""
	verdict := spec.NoData("")
	switch {
	case found.Err != nil:
		verdict, p.Note = metric.OnNoData, "no data: "+found.Err.Error()
	case found.Samples < metric.MinSamples:
		verdict, p.Note = metric.OnNoData, fmt.Sprintf("no data: %d samples, %d are needed", found.Samples, metric.MinSamples)
	default:
		p.Value = &found.Value
		verdict = spec.Fail
		if metric.Range.Holds(found.Value) {
			verdict = spec.Pass
		}
	}
	if metric.DryRun && verdict == spec.Fail {
		p.Note, verdict = "failed, which a dry run does not count", spec.Pass
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
