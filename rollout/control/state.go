// Package control moves a rollout along the steps of its spec, in public and by
// evidence.
//
//	from                 to           when
//	                     progressing  a leader finds that no rollout has begun
//	progressing          progressing  a step ends: by time, by evidence, or promoted
//	progressing          completed    the last step has ended
//	progressing          paused       pause, or a flag is disabled in the flag file
//	paused               progressing  resume
//	progressing, paused  aborted      a check has failed; a step took too long (not while paused)
//	all but aborted      aborted      abort
//	aborted              progressing  retry, after the cooldown: from the first step on
//	all but aborted      paused       the spec was changed
//
// It promises that
//
//   - the state changes only by [Machine.Start], [Machine.Adopt], [Machine.Tick] and
//     [Machine.Do]; each change makes its Version one larger, and a [Store] takes a
//     state only in place of the one before: whoever acts on an old state changes
//     nothing, lease or no lease;
//   - a weight rises only by a step of the spec, one step after the other, and
//     falls only by an abort; an abort never raises it;
//   - no step that asks for evidence ends by itself without it, nor any step while a
//     background check lacks its data: the rollout waits, says for what, and aborts
//     when the step's deadline has passed;
//   - a deadline never runs while people are waited for: a pause until promoted, a
//     paused rollout, the last old pages before a retirement;
//   - background checks go on while a rollout is paused;
//   - a flag that is disabled in the file pauses the rollout, and only a person
//     resumes it; while the file cannot be read, no step begins or ends by itself;
//   - the stream is retired only when nobody has used the old one for a day and
//     everybody polls, or a person says so by force; an abort makes it a bridge
//     again before the weight falls;
//   - a command is refused if anything that it could be about has changed since what
//     its sender saw: phase, step, weight or stream;
//   - every change of these four, and of the spec, is one [Entry] of the audit.
package control

import (
	"time"

	"sluice/rollout"
)

// Phase is where a rollout is.
type Phase string

// Phases lists all of them.
var Phases = []Phase{Progressing, Paused, Aborted, Completed}

// The phases.
const (
	Progressing Phase = "progressing"
	Paused      Phase = "paused"
	Aborted     Phase = "aborted"
	Completed   Phase = "completed"
)

// State is all that a rollout knows of itself between two moments.
type State struct {
	Version uint64         `json:"version"`
	Spec    string         `json:"spec"` // which spec it belongs to, see Hash
	Phase   Phase          `json:"phase"`
	Step    int            `json:"step"`
	Weight  int            `json:"weight"`
	Stream  rollout.Stream `json:"stream"`
	Began   time.Time      `json:"began"`            // the step
	Waited  time.Duration  `json:"waited"`           // of the step's time, while it was paused
	Since   time.Time      `json:"since"`            // the phase
	Reason  string         `json:"reason"`           // what is waited for; in another phase than progressing, why it is there
	Forced  bool           `json:"forced,omitempty"` // the gate of the step is open by force
	// Checks are those of the step and of the background, by name; a background
	// check has its own name with a + before it.
	Checks map[string]Progress `json:"checks,omitempty"`
	// Audit holds the latest entries, oldest first.
	Audit []Entry `json:"audit"`
}

// Progress is how far a check has come.
type Progress struct {
	Measured     time.Time `json:"measured"` // when last; before the first measurement, when the analysis began
	Passed       int       `json:"passed"`
	Failed       int       `json:"failed"`
	Inconclusive int       `json:"inconclusive"` // in a row
	Value        *float64  `json:"value,omitempty"`
	Samples      int       `json:"samples"`
	Note         string    `json:"note,omitempty"` // what else is to be said of the last measurement
}

// Entry is one change, as it stands in the log and in GET /rollout.
type Entry struct {
	At        time.Time `json:"at"`
	Version   uint64    `json:"version"`
	Actor     string    `json:"actor"`  // who asked, or "controller"
	Change    string    `json:"change"` // phase, step, weight, stream, spec, or gate (of a retirement)
	From      string    `json:"from"`
	To        string    `json:"to"`
	Trigger   Trigger   `json:"trigger"`
	Cause     string    `json:"cause"` // in words
	Check     string    `json:"check,omitempty"`
	Value     *float64  `json:"value,omitempty"`
	Threshold string    `json:"threshold,omitempty"`
}

// Trigger is what kind of thing brings a change about.
type Trigger string

// The triggers.
const (
	ByStart    Trigger = "start"
	BySpec     Trigger = "spec" // it was changed
	ByStep     Trigger = "step" // the spec's next step, in its turn
	ByCommand  Trigger = "command"
	ByCheck    Trigger = "check"
	ByDeadline Trigger = "deadline"
	ByFlag     Trigger = "flag" // it is disabled
)

// Triggers lists all of them.
var Triggers = []Trigger{ByStart, BySpec, ByStep, ByCommand, ByCheck, ByDeadline, ByFlag}

// auditKept is how many entries the state keeps; the log has all of them.
const auditKept = 200

// Controller is the actor of what nobody asked for.
const Controller = "controller"

// Transition is a change of the phase or the stream.
type Transition struct {
	Change, From, To string
	Trigger          Trigger
}

// Transitions lists all that can happen: what they are counted by exists from the
// start.
func Transitions() (all []Transition) {
	phase := func(from, to Phase, triggers ...Trigger) {
		for _, t := range triggers {
			all = append(all, Transition{"phase", string(from), string(to), t})
		}
	}
	phase("", Progressing, ByStart)
	phase(Progressing, Completed, ByStep)
	phase(Progressing, Paused, ByCommand, ByFlag, BySpec)
	phase(Paused, Progressing, ByCommand)
	phase(Paused, Paused, BySpec)
	phase(Completed, Paused, BySpec)
	phase(Progressing, Aborted, ByCommand, ByCheck, ByDeadline)
	phase(Paused, Aborted, ByCommand, ByCheck)
	phase(Completed, Aborted, ByCommand)
	phase(Aborted, Progressing, ByCommand)
	stream := func(from, to rollout.Stream, triggers ...Trigger) {
		for _, t := range triggers {
			all = append(all, Transition{"stream", string(from), string(to), t})
		}
	}
	stream(rollout.Upstream, rollout.Bridge, ByStep, ByCommand)
	stream(rollout.Upstream, rollout.Retired, ByStep)
	stream(rollout.Bridge, rollout.Retired, ByStep)
	stream(rollout.Retired, rollout.Bridge, ByCommand, ByCheck, ByDeadline)
	return all
}
