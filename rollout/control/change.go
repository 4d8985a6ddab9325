package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"sluice/rollout"
)

// next is a copy that may be changed, one version on.
func (s State) next() State {
	s.Version++
	s.Checks = maps.Clone(s.Checks)
	s.Audit = slices.Clone(s.Audit)
	return s
}

// differs says whether anything but the version has changed.
func (s State) differs(before State) bool {
	s.Version = before.Version
	return !reflect.DeepEqual(s, before)
}

// decode reads a state that somebody has stored, and makes sure that nobody is
// steered by nonsense.
func decode(text []byte) (s State, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, err
	}
	streams := []rollout.Stream{rollout.Upstream, rollout.Bridge, rollout.Retired}
	if s.Version == 0 || !slices.Contains(Phases, s.Phase) || !slices.Contains(streams, s.Stream) || s.Weight < 0 || s.Weight > 100 || s.Step < 0 {
		return State{}, fmt.Errorf("version %d, %q at step %d, weight %d and stream %q is no state", s.Version, s.Phase, s.Step, s.Weight, s.Stream)
	}
	return s, nil
}

func (s *State) begin(now time.Time) {
	s.Began, s.Waited, s.Forced = now, 0, false
}

// elapsed is how long the step has been under way, without what it was paused.
func (s State) elapsed(now time.Time) time.Duration { return now.Sub(s.Began) - s.Waited }

// to changes the phase. Why says who and what for.
func (s *State) to(now time.Time, phase Phase, why Entry) {
	s.note(now, "phase", string(s.Phase), string(phase), why)
	if s.Phase == Paused {
		s.Waited += now.Sub(s.Since)
	}
	s.Phase, s.Since, s.Reason = phase, now, why.Cause
}

func (s *State) weigh(now time.Time, weight int, why Entry) {
	if weight != s.Weight {
		s.note(now, "weight", strconv.Itoa(s.Weight), strconv.Itoa(weight), why)
		s.Weight = weight
	}
}

func (s *State) route(now time.Time, stream rollout.Stream, why Entry) {
	if stream != s.Stream {
		s.note(now, "stream", string(s.Stream), string(stream), why)
		s.Stream = stream
	}
}

// note adds an entry to the audit: why, with what has changed.
func (s *State) note(now time.Time, change, from, to string, why Entry) {
	why.At, why.Version, why.Change, why.From, why.To = now, s.Version, change, from, to
	s.Audit = append(s.Audit, why)
	if over := len(s.Audit) - auditKept; over > 0 {
		s.Audit = slices.Delete(s.Audit, 0, over)
	}
}

// abortUnknownTo is the abort that s stands at, if the other state was made without it: a
// fail-over of the store has lost it.
func (s State) abortUnknownTo(o State) (abort Entry, unknown bool) {
	if s.Phase != Aborted || o.Phase == Aborted {
		return Entry{}, false
	}
	for _, e := range s.Audit {
		if e.Change == "phase" && e.To == string(Aborted) {
			abort = e
		}
	}
	forgotten := len(o.Audit) > 0 && o.Audit[0].Version > abort.Version && len(o.Audit) == auditKept
	known := slices.ContainsFunc(o.Audit, func(e Entry) bool {
		return e.Version == abort.Version && e.Change == abort.Change && e.At.Equal(abort.At)
	})
	return abort, !known && !forgotten
}

// EntriesSince are those of versions after the given one.
func (s State) EntriesSince(version uint64) []Entry {
	i := slices.IndexFunc(s.Audit, func(e Entry) bool { return e.Version > version })
	if i < 0 {
		return nil
	}
	return s.Audit[i:]
}
