package control

import (
	"cmp"
	"fmt"
	"time"

	"sluice/rollout"
	"sluice/rollout/spec"
)

// World is what the machine looks at. All of it is of the same moment.
type World struct {
	Now time.Time
	// Disabled are the flags that the file has switched off.
	Disabled []string
	// Legacy tells how many users were on the old stream within the last day, and
	// since when they are counted; an error when that cannot be told.
	Legacy func() (users uint64, since time.Time, err error)
	// Measure measures a metric over the time since.
	Measure func(m spec.Metric, since time.Time) Measurement
}

// Measurement is what was found. Err says why nothing was.
type Measurement struct {
	Value   float64
	Samples int
	Err     error
}

// Machine applies a spec to states. It keeps nothing and may be shared.
type Machine struct {
	Spec spec.Spec
	Hash string // of the spec
}

// legacyFor is how long nobody may have used the old stream before it is retired.
const legacyFor = 24 * time.Hour

// Start is the state of a rollout that begins now, from where the flag file has
// its users.
func (m Machine) Start(now time.Time, from spec.State) State {
	s := State{Version: 1, Spec: m.Hash, Weight: from.Weight, Stream: from.Stream, Began: now}
	s.to(now, Progressing, Controller, "the rollout begins")
	return s
}

// Adopt carries a state over to another spec: users stay where they are, and a
// person decides whether the new steps begin.
func (m Machine) Adopt(s State, now time.Time) State {
	if s.Spec == m.Hash {
		return s
	}
	s = s.next()
	s.Spec, s.Step, s.Checks = m.Hash, 0, nil
	s.begin(now)
	s.to(now, Paused, Controller, "the spec was changed; resume begins its first step, and steps that would lower a weight are passed over")
	return s
}

// Tick is the state after what time and evidence bring. It returns the same
// version when nothing has changed.
func (m Machine) Tick(before State, w World) State {
	s := before.next()
	if s.Phase == Progressing {
		m.progress(&s, w)
	}
	if !s.differs(before) {
		return before
	}
	return s
}

func (m Machine) progress(s *State, w World) {
	if len(w.Disabled) > 0 {
		s.to(w.Now, Paused, Controller, fmt.Sprintf("the flag %s is disabled in the flag file; enable it and resume", w.Disabled[0]))
		return
	}
	if m.Spec.Measures(s.Step) && !m.measure(s, w, m.Spec.Background.Metrics, "+") {
		return
	}
	for s.Phase == Progressing && s.Step < len(m.Spec.Steps) {
		if !m.step(s, w) {
			m.deadline(s, w.Now)
			return
		}
		m.advance(s, w.Now)
	}
}

// advance goes to the next step, or to the end.
func (m Machine) advance(s *State, now time.Time) {
	s.Step++
	s.begin(now)
	for name := range s.Checks {
		if name[0] != '+' {
			delete(s.Checks, name)
		}
	}
	if s.Step >= len(m.Spec.Steps) {
		s.Checks = nil
		s.to(now, Completed, Controller, "the last step is done")
	}
}

// step does what a step asks for, and reports whether it is over.
func (m Machine) step(s *State, w World) bool {
	switch st := m.Spec.Steps[s.Step]; st.Verb {
	case spec.SetWeight:
		s.weigh(w.Now, max(s.Weight, st.Weight), Controller, m.cause(s))
		return true
	case spec.SetStream:
		if st.Stream == rollout.Retired && !s.Forced && !gate(s, w) {
			return false
		}
		s.stream(w.Now, st.Stream, Controller, m.cause(s))
		return true
	case spec.Pause:
		if st.Pause == 0 {
			s.Reason = "waiting for promote"
			return false
		}
		left := st.Pause - s.elapsed(w.Now)
		s.Reason = "waiting for time to pass"
		return left <= 0
	default:
		return m.measure(s, w, st.Metrics, "") && m.passed(s, st.Metrics)
	}
}

func (m Machine) cause(s *State) string { return fmt.Sprintf("step %d", s.Step) }

// gate says whether the old stream may be retired.
func gate(s *State, w World) bool {
	users, since, err := w.Legacy()
	switch counted := w.Now.Sub(since); {
	case err != nil:
		s.Reason = "waiting to learn how many users are on the old stream: " + err.Error()
	case s.Weight < 100:
		s.Reason = fmt.Sprintf("waiting for weight 100, it is %d", s.Weight)
	case users > 0:
		s.Reason = fmt.Sprintf("waiting for %d users who were on the old stream within a day", users)
	case counted < legacyFor:
		s.Reason = fmt.Sprintf("users of the old stream are counted for %s only, a day is needed", counted.Round(time.Second))
	default:
		return true
	}
	return false
}

// deadline aborts a step that takes too long. A pause until promoted may take
// for ever: it waits for a person.
func (m Machine) deadline(s *State, now time.Time) {
	if s.Phase != Progressing || m.Spec.ProgressDeadline == 0 {
		return
	}
	if st := m.Spec.Steps[s.Step]; st.Verb == spec.Pause && st.Pause == 0 {
		return
	}
	if s.elapsed(now) >= m.Spec.ProgressDeadline {
		m.abort(s, now, Entry{Actor: Controller, Cause: fmt.Sprintf("step %d took longer than progressDeadline %s: %s", s.Step, m.Spec.ProgressDeadline, s.Reason)})
	}
}

// abort takes users back.
func (m Machine) abort(s *State, now time.Time, why Entry) {
	if s.Stream == rollout.Retired {
		s.stream(now, rollout.Bridge, why.Actor, why.Cause)
	}
	if to := m.Spec.Rollback.ToWeight; to < s.Weight {
		s.weighWith(now, to, why)
	}
	why.At, why.Change, why.From, why.To = now, "phase", string(s.Phase), string(Aborted)
	s.Phase, s.Since, s.Reason, s.Checks = Aborted, now, why.Cause, nil
	s.note(why)
}

// threshold is a range in words.
func threshold(r spec.Range) string {
	switch {
	case r.Min != nil && r.Max != nil:
		return fmt.Sprintf("%g..%g", *r.Min, *r.Max)
	case r.Min != nil:
		return fmt.Sprintf(">= %g", *r.Min)
	case r.Max != nil:
		return fmt.Sprintf("<= %g", *r.Max)
	}
	return ""
}

// by is who asks for something.
func by(actor string) string { return cmp.Or(actor, "somebody") }
