package control

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sluice/rollout"
	"sluice/rollout/spec"
)

// Verb is what a person can ask for.
type Verb string

// The verbs.
const (
	Promote Verb = "promote" // end the step that is under way
	Abort   Verb = "abort"
	Retry   Verb = "retry" // begin again after an abort
	Pause   Verb = "pause"
	Resume  Verb = "resume"
)

// Verbs lists all of them.
var Verbs = []Verb{Promote, Abort, Retry, Pause, Resume}

// Command is one request of a person.
type Command struct {
	Verb  Verb
	Actor string
	// Cause is what the person says about it; may be empty.
	Cause string
	// Full promotes over all steps that are left, up to a retirement of the stream.
	Full bool
	// Force opens the gate of a retirement.
	Force bool
	// Disabled are the flags that the flag file has switched off where the person asks.
	Disabled []string
	// Seen is the version that the person acts upon; 0 is any.
	Seen uint64
}

// Refusal says why a command changes nothing.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Do is the state after a command, or why it is refused: then it is a *Refusal.
func (m Machine) Do(before State, c Command, now time.Time) (State, error) {
	if err := c.stale(before); err != nil {
		return before, err
	}
	if before.Spec != m.Hash && c.Verb != Abort {
		return before, refuse("this gateway has another spec than the rollout that is under way; try again when all gateways have the same")
	}
	if (c.Verb == Resume || c.Verb == Retry) && len(c.Disabled) > 0 {
		return before, refuse("the flag %s is disabled in the flag file; enable it first", c.Disabled[0])
	}
	s := before.next()
	var err error
	switch c.Verb {
	case Promote:
		err = m.promote(&s, c, now)
	case Abort:
		err = m.abortBy(&s, c, now)
	case Retry:
		err = m.retry(&s, c, now)
	case Pause:
		err = move(&s, c, now, Progressing, Paused)
	case Resume:
		err = move(&s, c, now, Paused, Progressing)
		s.restartChecks(now)
	default:
		err = refuse("unknown verb %q; want promote, abort, retry, pause or resume", c.Verb)
	}
	if err != nil {
		return before, err
	}
	return s, nil
}

// stale refuses a command whose sender has missed something.
func (c Command) stale(s State) error {
	switch missed := s.EntriesSince(c.Seen); {
	case c.Seen == 0:
		return nil
	case c.Seen > s.Version:
		return refuse("version %d does not exist; the rollout is at version %d", c.Seen, s.Version)
	case len(missed) > 0:
		var lines []string
		for _, e := range missed[max(0, len(missed)-5):] {
			lines = append(lines, fmt.Sprintf("%s %s -> %s by %s (%s)", e.Change, e.From, e.To, e.Actor, e.Cause))
		}
		return refuse("the rollout has changed since version %d: %s; it is at version %d now", c.Seen, strings.Join(lines, ", "), s.Version)
	}
	return nil
}

// why is the command as an entry of the audit gives it.
func (c Command) why() Entry {
	cause := string(c.Verb)
	if c.Cause != "" {
		cause += ": " + c.Cause
	}
	return Entry{Actor: cmp.Or(c.Actor, "somebody"), Trigger: ByCommand, Cause: cause}
}

func move(s *State, c Command, now time.Time, from, to Phase) error {
	if s.Phase != from {
		return refuse("%s is for a rollout that is %s; this one is %s: %s", c.Verb, from, s.Phase, s.Reason)
	}
	s.to(now, to, c.why())
	return nil
}

// promote ends the step that is under way; with Full all that are left.
func (m Machine) promote(s *State, c Command, now time.Time) error {
	if s.Phase != Progressing {
		return refuse("promote is for a rollout that is progressing; this one is %s: %s", s.Phase, s.Reason)
	}
	if st := m.Spec.Steps[s.Step]; c.Force && !c.Full && st.Stream != rollout.Retired {
		return refuse("--force is for a step that retires the stream; step %d is %s", s.Step, st)
	}
	for first := true; ; first = false {
		switch st := m.Spec.Steps[s.Step]; {
		case st.Verb == spec.SetStream && st.Stream == rollout.Retired:
			return open(s, c, now, first)
		case st.Verb == spec.SetStream:
			s.route(now, furthest(s.Stream, st.Stream), c.why())
		case st.Verb == spec.SetWeight:
			s.weigh(now, max(s.Weight, st.Weight), c.why())
		}
		m.advance(s, now, c.why())
		if !c.Full || s.Phase != Progressing {
			return nil
		}
	}
}

// open opens the gate of a retirement, by force only. Who promoted all steps up
// to here has got something.
func open(s *State, c Command, now time.Time, nothingElse bool) error {
	switch {
	case c.Force && s.Forced:
		return refuse("the stream is about to be retired already")
	case c.Force:
		s.Forced = true
		s.note(now, "gate", "closed", "forced", c.why())
	case nothingElse:
		return refuse("step %d retires the stream and is %s; promote --force retires it all the same", s.Step, cmp.Or(s.Reason, "waiting"))
	}
	return nil
}

func (m Machine) abortBy(s *State, c Command, now time.Time) error {
	if s.Phase == Aborted {
		return refuse("the rollout is aborted already: %s", s.Reason)
	}
	m.abort(s, now, c.why())
	return nil
}

// retry begins with the first step again.
func (m Machine) retry(s *State, c Command, now time.Time) error {
	if s.Phase != Aborted {
		return refuse("retry is for a rollout that was aborted; this one is %s: %s", s.Phase, s.Reason)
	}
	if left := m.Spec.Rollback.Cooldown - now.Sub(s.Since); left > 0 {
		return refuse("the cooldown after the abort lasts another %s", spec.Short(left.Round(time.Second)))
	}
	if s.Step != 0 {
		s.note(now, "step", fmt.Sprint(s.Step), "0", c.why())
	}
	s.Step = 0
	s.begin(now)
	s.to(now, Progressing, c.why())
	return nil
}
