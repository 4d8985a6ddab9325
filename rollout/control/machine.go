package control

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
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
	// FlagFile says why the flag file, as it is now, cannot be read; nil when it can.
	FlagFile error
	// Legacy tells how many users were on the old stream within the last day, and
	// since when they are counted; an error when that cannot be told.
	Legacy func() (users uint64, since time.Time, err error)
	// Measure measures a metric over the time since. It must not wait for anything.
	Measure func(m spec.Metric, since time.Time) Measurement
}

// Measurement is what was found. Err says why nothing was.
type Measurement struct {
	Value   float64
	Samples int
	Err     error
}

// ErrLater is a measurement's Err when there will be an answer in a moment. It may
// be wrapped.
var ErrLater = errors.New("not known yet")

// Machine applies a spec to states. It keeps nothing and may be shared.
type Machine struct {
	Spec spec.Spec
	Hash string // of the spec
}

// For makes the machine of a spec. What does not change the spec's meaning, such
// as a comment, does not change its hash.
func For(s spec.Spec) Machine {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings, numbers and finite floats
	}
	return Machine{Spec: s, Hash: fmt.Sprintf("%x", sha256.Sum256(text))[:16]}
}

// legacyFor is how long nobody may have used the old stream before it is retired.
const legacyFor = 24 * time.Hour

// Start is the state of a rollout that begins now, from where the flag file has
// its users.
func (m Machine) Start(now time.Time, from rollout.Heading) State {
	s := State{Version: 1, Spec: m.Hash, Weight: from.Weight, Stream: from.Stream}
	s.begin(now)
	s.to(now, Progressing, itself(ByStart, "the rollout begins"))
	return s
}

// Adopt carries a state over to another spec: users stay where they are, and a
// person decides whether the new steps begin.
func (m Machine) Adopt(s State, now time.Time) State {
	s = s.next()
	why := itself(BySpec, "the spec was changed; resume begins with its first step, and no step takes anybody back")
	s.note(now, "spec", s.Spec, m.Hash, why)
	s.Spec, s.Step, s.Checks = m.Hash, 0, nil
	if s.Phase != Aborted {
		s.to(now, Paused, why)
	}
	s.begin(now)
	return s
}

// Tick is the state after what time and evidence bring. It returns the same
// version when nothing has changed.
func (m Machine) Tick(before State, w World) State {
	s := before.next()
	switch {
	case s.Phase == Progressing && len(w.Disabled) > 0:
		s.to(w.Now, Paused, itself(ByFlag, fmt.Sprintf("the flag %s is disabled in the flag file; enable it and resume", w.Disabled[0])))
	case s.Phase == Progressing:
		m.progress(&s, w)
	case s.Phase == Paused && len(w.Disabled) == 0:
		m.background(&s, w)
	}
	if !s.differs(before) {
		return before
	}
	return s
}

// background takes the measurements that run beside the steps. It reports false
// when one of them has aborted the rollout.
func (m Machine) background(s *State, w World) bool {
	return !m.Spec.Measures(s.Step) || m.measure(s, w, m.Spec.Background.Metrics, Beside)
}

// progress goes as many steps as end now.
func (m Machine) progress(s *State, w World) {
	if !m.background(s, w) {
		return
	}
	if w.FlagFile != nil { // nobody could switch a flag off
		s.Reason = "waiting for a flag file that can be read: " + w.FlagFile.Error()
		m.deadline(s, w.Now)
		return
	}
	for s.Phase == Progressing {
		if !m.step(s, w) || m.lacksData(s) {
			m.deadline(s, w.Now)
			return
		}
		m.advance(s, w.Now, itself(ByStep, fmt.Sprintf("step %d is over", s.Step)))
	}
}

// advance goes to the next step, or to the end.
func (m Machine) advance(s *State, now time.Time, why Entry) {
	s.note(now, "step", fmt.Sprint(s.Step), fmt.Sprint(s.Step+1), why)
	s.Step++
	s.begin(now)
	s.forgetChecks()
	if s.Step >= len(m.Spec.Steps) {
		s.Checks = nil
		s.to(now, Completed, itself(ByStep, "the last step is over"))
	}
}

// ForTime is the reason of a timed pause that nothing else keeps.
const ForTime = "waiting for time to pass"

// step does what a step asks for, and reports whether it is over.
func (m Machine) step(s *State, w World) bool {
	why := itself(ByStep, fmt.Sprintf("step %d", s.Step))
	switch st := m.Spec.Steps[s.Step]; st.Verb {
	case spec.SetWeight:
		s.weigh(w.Now, max(s.Weight, st.Weight), why)
	case spec.SetStream:
		if st.Stream == rollout.Retired && !s.Forced && !gate(s, w) {
			return false
		}
		s.route(w.Now, furthest(s.Stream, st.Stream), why)
	case spec.Pause:
		s.Reason = "waiting for promote"
		if st.Pause > 0 {
			s.Reason = ForTime
		}
		return st.Pause > 0 && s.elapsed(w.Now) >= st.Pause
	default:
		return m.measure(s, w, st.Metrics, "") && passed(s, st.Metrics)
	}
	return true
}

// furthest keeps a stream from going back: after an abort the steps run again.
func furthest(a, b rollout.Stream) rollout.Stream {
	rank := map[rollout.Stream]int{rollout.Upstream: 0, rollout.Bridge: 1, rollout.Retired: 2}
	if rank[a] > rank[b] {
		return a
	}
	return b
}

// gate says whether the old stream may be retired.
func gate(s *State, w World) bool {
	users, since, err := w.Legacy()
	counted := w.Now.Sub(since)
	switch {
	case s.Weight < 100:
		s.Reason = fmt.Sprintf("waiting for weight 100; it is %d", s.Weight)
	case err != nil:
		s.Reason = "waiting to learn how many users are on the old stream: " + err.Error()
	case users > 0:
		s.Reason = fmt.Sprintf("waiting until nobody is on the old stream for a day; about %d users were", users)
	case counted < legacyFor:
		s.Reason = fmt.Sprintf("waiting until the users of the old stream have been counted for a day; it is %s", spec.Short(counted.Truncate(10*time.Minute)))
	default:
		return true
	}
	return false
}

// deadline aborts a step that takes too long.
func (m Machine) deadline(s *State, now time.Time) {
	limit := m.Spec.ProgressDeadline
	if s.Phase != Progressing || limit == 0 || m.Spec.Steps[s.Step].WaitsFor() != "" || s.elapsed(now) < limit {
		return
	}
	m.abort(s, now, itself(ByDeadline, fmt.Sprintf("step %d took longer than progressDeadline %s: %s", s.Step, spec.Short(limit), s.Reason)))
}

// abort takes users back. The stream comes first: whoever stops polling needs one.
func (m Machine) abort(s *State, now time.Time, why Entry) {
	if s.Stream == rollout.Retired {
		s.route(now, rollout.Bridge, why)
	}
	s.weigh(now, min(s.Weight, m.Spec.Rollback.ToWeight), why)
	s.to(now, Aborted, why)
	s.Checks = nil
}

// abortAgain aborts a state that goes on from before an abort.
func (m Machine) abortAgain(s State, now time.Time, lost Entry) State {
	s = s.next()
	lost.Cause = fmt.Sprintf("the store had lost the abort of version %d: %s", lost.Version, lost.Cause)
	m.abort(&s, now, lost)
	return s
}

// itself is why the controller does something.
func itself(t Trigger, cause string) Entry {
	return Entry{Actor: Controller, Trigger: t, Cause: cause}
}
