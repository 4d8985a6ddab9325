// Package control moves a rollout along the steps of its spec, in public and by
// evidence.
//
//	            promote, time is up, checks pass
//	           ┌───────────────┐
//	           v               │         the last step is done
//	      ┌─────────────┐──────┘   ───────────────────────────> completed
//	start │ progressing │
//	      └─────────────┘  pause, or a check    ┌────────┐
//	        │   ^ ^        that stays without ─>│ paused │
//	        │   │ └──────────── resume ─────────└────────┘
//	  abort,│   │ retry, after the cooldown         │ abort
//	  a check fails, the deadline passes            v
//	        v   └────────────────────────────── aborted
//	      aborted: weight is back at rollback.toWeight, and the stream bridged
//
// It promises that
//
//   - the state changes only by [Machine.Tick] and [Machine.Do], each change makes
//     its Version one larger, and a [Store] takes a state only in place of the one
//     before: whoever acts on an old state changes nothing, lease or no lease;
//   - a weight rises only by a step of the spec, one step after the other, and
//     falls only by an abort; an abort never raises it;
//   - no step that asks for evidence ends without it, and none ends because the
//     evidence is missing: without data a rollout waits, says for what, and aborts
//     when the step's deadline has passed;
//   - a flag that is disabled in the file pauses the rollout, and only a person
//     resumes it;
//   - the stream is retired only when nobody has used the old one for a day and
//     everybody polls, or a person says so by force; a weight that falls brings it
//     back as a bridge first;
//   - every change of weight, stream or phase is one [Entry] of the audit.
package control

import (
	"time"

	"sluice/rollout"
)

// Phase is where a rollout is.
type Phase string

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
	Reason  string         `json:"reason"`           // why this phase, or what is waited for
	Forced  bool           `json:"forced,omitempty"` // the gate of the step is open by force
	// Checks are those of the step and of the background, by name; a background
	// check has its own name with a + before it.
	Checks map[string]Progress `json:"checks,omitempty"`
	// Audit holds the latest entries, oldest first.
	Audit []Entry `json:"audit"`
}

// Progress is how far a check has come.
type Progress struct {
	Began        time.Time `json:"began"`
	Measured     time.Time `json:"measured"` // the last measurement; before it, Began
	Passed       int       `json:"passed"`
	Failed       int       `json:"failed"`
	Inconclusive int       `json:"inconclusive"` // in a row
	Value        *float64  `json:"value,omitempty"`
	Samples      int       `json:"samples"`
	Note         string    `json:"note,omitempty"` // why there was no data
}

// Entry is one change, as it stands in the log and in GET /rollout.
type Entry struct {
	At        time.Time `json:"at"`
	Version   uint64    `json:"version"`
	Actor     string    `json:"actor"`  // who asked, or "controller"
	Change    string    `json:"change"` // weight, stream or phase
	From      string    `json:"from"`
	To        string    `json:"to"`
	Cause     string    `json:"cause"`
	Check     string    `json:"check,omitempty"`
	Value     *float64  `json:"value,omitempty"`
	Threshold string    `json:"threshold,omitempty"`
}

// auditKept is how many entries the state keeps; the log has all of them.
const auditKept = 200

// Controller is the actor of what nobody asked for.
const Controller = "controller"
