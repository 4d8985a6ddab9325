package control

import (
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

func (s *State) begin(now time.Time) {
	s.Began, s.Waited, s.Forced = now, 0, false
}

// elapsed is how long the step has been under way, without what it was paused.
func (s *State) elapsed(now time.Time) time.Duration { return now.Sub(s.Began) - s.Waited }

func (s *State) to(now time.Time, phase Phase, actor, cause string) {
	s.note(Entry{At: now, Actor: actor, Change: "phase", From: string(s.Phase), To: string(phase), Cause: cause})
	if s.Phase == Paused {
		s.Waited += now.Sub(s.Since)
	}
	s.Phase, s.Since, s.Reason = phase, now, cause
}

func (s *State) weigh(now time.Time, weight int, actor, cause string) {
	s.weighWith(now, weight, Entry{Actor: actor, Cause: cause})
}

func (s *State) weighWith(now time.Time, weight int, why Entry) {
	if weight == s.Weight {
		return
	}
	why.At, why.Change, why.From, why.To = now, "weight", strconv.Itoa(s.Weight), strconv.Itoa(weight)
	s.note(why)
	s.Weight = weight
}

func (s *State) stream(now time.Time, stream rollout.Stream, actor, cause string) {
	if stream == s.Stream {
		return
	}
	s.note(Entry{At: now, Actor: actor, Change: "stream", From: string(s.Stream), To: string(stream), Cause: cause})
	s.Stream = stream
}

func (s *State) note(e Entry) {
	e.Version = s.Version
	s.Audit = append(s.Audit, e)
	if len(s.Audit) > auditKept {
		s.Audit = slices.Delete(s.Audit, 0, len(s.Audit)-auditKept)
	}
}

// NewEntries are those that s has and before had not.
func (s State) NewEntries(before State) []Entry {
	i := slices.IndexFunc(s.Audit, func(e Entry) bool { return e.Version > before.Version })
	if i < 0 {
		return nil
	}
	return s.Audit[i:]
}
