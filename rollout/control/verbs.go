package control

import (
	"fmt"
	"time"

	"sluice/rollout"
	"sluice/rollout/spec"
)

// Verb is what a person can ask for.
type Verb string

// The verbs.
const (
	Promote Verb = "promote" // end the pause that waits for it, or the step that cannot end by itself
	Abort   Verb = "abort"
	Retry   Verb = "retry" // begin again after an abort
	Pause   Verb = "pause"
	Resume  Verb = "resume"
)

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
	// Seen is the version the person acts upon; 0 is any.
	Seen uint64
}

// Refusal says why a command changes nothing.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Do is the state after a command, or why it is refused.
func (m Machine) Do(before State, c Command, now time.Time) (State, error) {
	if c.Seen != 0 && c.Seen != before.Version {
		return before, refuse("the rollout has changed since version %d: it is %s at step %d, weight %d (version %d); look again and repeat the command", c.Seen, before.Phase, before.Step, before.Weight, before.Version)
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
	default:
		err = refuse("unknown verb %q; there are promote, abort, retry, pause, resume", c.Verb)
	}
	if err != nil {
		return before, err
	}
	return s, nil
}

func (c Command) why() string {
	if c.Cause == "" {
		return string(c.Verb)
	}
	return string(c.Verb) + ": " + c.Cause
}

func move(s *State, c Command, now time.Time, from, to Phase) error {
	if s.Phase != from {
		return refuse("%s is for a rollout that is %s; this one is %s", c.Verb, from, s.Phase)
	}
	s.to(now, to, by(c.Actor), c.why())
	return nil
}

// promote ends the step that is under way; with Full all that are left.
func (m Machine) promote(s *State, c Command, now time.Time) error {
	if s.Phase == Paused {
		return refuse("the rollout is paused (%s); resume it first", s.Reason)
	}
	if s.Phase != Progressing {
		return refuse("promote is for a rollout that is progressing; this one is %s", s.Phase)
	}
	for {
		switch st := m.Spec.Steps[s.Step]; st.Verb {
		case spec.SetStream:
			if st.Stream == rollout.Retired {
				return m.open(s, c, now)
			}
			s.stream(now, st.Stream, by(c.Actor), c.why())
		case spec.SetWeight:
			s.weigh(now, max(s.Weight, st.Weight), by(c.Actor), c.why())
		default:
			s.note(Entry{At: now, Actor: by(c.Actor), Change: "step", From: fmt.Sprint(s.Step), To: fmt.Sprint(s.Step + 1), Cause: c.why()})
		}
		m.advance(s, now)
		if !c.Full || s.Phase != Progressing {
			return nil
		}
	}
}

// open opens the gate of a retirement, by force only.
func (m Machine) open(s *State, c Command, now time.Time) error {
	switch {
	case c.Force:
		s.Forced = true
		s.note(Entry{At: now, Actor: by(c.Actor), Change: "gate", From: "closed", To: "forced", Cause: c.why()})
	case !c.Full:
		return refuse("step %d waits: %s; promote --force does it all the same", s.Step, s.Reason)
	}
	return nil
}

func (m Machine) abortBy(s *State, c Command, now time.Time) error {
	if s.Phase == Aborted {
		return refuse("the rollout is aborted already: %s", s.Reason)
	}
	m.abort(s, now, Entry{Actor: by(c.Actor), Cause: c.why()})
	return nil
}

// retry begins with the first step again.
func (m Machine) retry(s *State, c Command, now time.Time) error {
	if s.Phase != Aborted {
		return refuse("retry is for a rollout that was aborted; this one is %s", s.Phase)
	}
	if left := m.Spec.Rollback.Cooldown - now.Sub(s.Since); left > 0 {
		return refuse("the cooldown of the abort lasts another %s", left.Round(time.Second))
	}
	s.Step = 0
	s.begin(now)
	s.to(now, Progressing, by(c.Actor), c.why())
	return nil
}
