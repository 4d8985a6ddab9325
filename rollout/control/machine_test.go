package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/rollout"
	"sluice/rollout/spec"
)

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.As(err, new(*Refusal)) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want a refusal with %q", err, want)
	}
}

// A flag file that cannot be read holds every step, and what is wrong beside them
// and the step's deadline still count.
func TestAFlagFileThatCannotBeRead(t *testing.T) {
	b := newBed(t, spec.Spec{
		Steps:            []spec.Step{weight(10), pause(time.Minute), weight(100)},
		ProgressDeadline: time.Hour,
		Background:       &spec.Background{Metrics: []spec.Metric{metric("a", func(m *spec.Metric) { m.Count = 0 })}},
	})
	b.after(time.Second).want(Progressing, 1, 10)
	b.w.unread = true
	b.after(30*time.Minute).want(Progressing, 1, 10)
	if b.s.Reason != "waiting for a flag file that can be read: it is no JSON" {
		t.Error(b.s.Reason)
	}
	held := *b
	b.w.unread = false
	b.after(time.Second).want(Completed, 3, 100)
	held.w.value = 2
	held.after(10*time.Second).want(Aborted, 1, 0)
	held.w.value = 0.5
	held.do(Command{Verb: Retry}).after(time.Hour+time.Second).want(Aborted, 0, 0)
}

// From start to end by itself, with the audit of it.
func TestByItself(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{stream(rollout.Bridge), weight(10), pause(time.Minute), analysis(metric("a")), weight(100)}})
	b.after(time.Second).want(Progressing, 2, 10)
	b.after(59*time.Second).want(Progressing, 2, 10)
	b.after(time.Second).want(Progressing, 3, 10)
	b.after(19*time.Second).want(Progressing, 3, 10)
	if !strings.Contains(b.s.Reason, "waiting for a, which has passed 1 of 2 times") {
		t.Errorf("waiting for: %s", b.s.Reason)
	}
	b.after(time.Second).want(Completed, 5, 100)
	if got := strings.Join(changes(b.s.Audit), " "); got != "phase stream step weight step step step weight step phase" {
		t.Errorf("audit: %s", got)
	}
	if b.s.Stream != rollout.Bridge || b.s.Version != b.s.Audit[len(b.s.Audit)-1].Version {
		t.Errorf("%+v", b.s)
	}
	before := b.s.Version
	if b.after(time.Hour); b.s.Version != before {
		t.Error("a rollout that is complete goes on changing")
	}
}

// Waiting changes nothing, so that nobody's command grows stale and Redis rests.
func TestWaitingIsQuiet(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{weight(10), pause(time.Hour)}}).after(time.Second)
	before := b.s.Version
	if b.after(50 * time.Minute); b.s.Version != before {
		t.Errorf("%d versions", b.s.Version-before)
	}
}

func TestAFailedCheckAborts(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{weight(30), analysis(metric("a", func(m *spec.Metric) { m.FailureLimit = 1 }))}, Rollback: spec.Rollback{ToWeight: 5}})
	b.w.value = 2
	b.after(11*time.Second).want(Progressing, 1, 30)
	b.after(10*time.Second).want(Aborted, 1, 5)
	e := b.s.Audit[len(b.s.Audit)-1]
	if e.Change != "phase" || e.Trigger != ByCheck || e.Check != "a" || *e.Value != 2 || e.Threshold != "at most 1" || e.Cause != "step 1: a failed more often than 1 times" {
		t.Errorf("%+v", e)
	}
	if b.s.Reason != e.Cause || b.s.Checks != nil {
		t.Errorf("%+v", b.s)
	}
}

func TestNoData(t *testing.T) {
	for _, c := range []struct {
		on      spec.NoData
		dry     bool
		phase   Phase
		samples int
	}{
		{spec.Inconclusive, false, Progressing, 9}, {spec.Inconclusive, true, Completed, 9}, {spec.Inconclusive, false, Completed, 10},
		{spec.Pass, false, Completed, 0}, {spec.Fail, false, Aborted, 0}, {spec.Fail, true, Completed, 0},
	} {
		b := newBed(t, spec.Spec{Steps: []spec.Step{weight(30), analysis(metric("a", func(m *spec.Metric) { m.OnNoData, m.DryRun = c.on, c.dry }))}})
		b.w.samples = c.samples
		if b.after(time.Minute); b.s.Phase != c.phase {
			t.Errorf("%+v: %s, %s", c, b.s.Phase, b.s.Reason)
		}
		if c.phase == Progressing && !strings.Contains(b.s.Reason, "no data: 9 samples, 10 are needed") {
			t.Errorf("waiting for: %s", b.s.Reason)
		}
	}
}

// A dry run passes and says what it saw.
func TestDryRun(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{analysis(metric("a", func(m *spec.Metric) { m.DryRun = true }))}})
	b.w.value = 2
	b.after(11 * time.Second)
	if p := b.s.Checks["a"]; p.Passed != 1 || p.Failed != 0 || *p.Value != 2 || !strings.Contains(p.Note, "outside its limit") {
		t.Errorf("%+v", p)
	}
	b.after(10*time.Second).want(Completed, 1, 0)
}

// A background check without data holds every step, and one that fails aborts,
// also while a person has paused the rollout.
func TestBackground(t *testing.T) {
	background := spec.Spec{
		Steps:      []spec.Step{weight(10), pause(30 * time.Second), weight(20), pause(0)},
		Background: &spec.Background{StartingStep: 1, Metrics: []spec.Metric{metric("b", func(m *spec.Metric) { m.Count = 0 })}},
	}
	b := newBed(t, background)
	b.w.silent = true
	b.after(time.Minute).want(Progressing, 1, 10)
	if !strings.Contains(b.s.Reason, "waiting for data of b; no data: nobody answers") {
		t.Errorf("waiting for: %s", b.s.Reason)
	}
	b.w.silent = false
	b.after(10*time.Second).want(Progressing, 3, 20)
	b.do(Command{Verb: Pause}).want(Paused, 3, 20)
	b.w.value = 2
	b.after(10*time.Second).want(Aborted, 3, 0)
}

// An answer that is on its way is waited for, but not for ever.
// A source that says a page about its trouble does not make the state one.
func TestNotesAreShort(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{analysis(metric("a")), pause(0)}})
	w := b.w.world()
	w.Measure = func(spec.Metric, time.Time) Measurement {
		return Measurement{Err: errors.New(strings.Repeat("é", 1<<20))}
	}
	for range 12 {
		w.Now = w.Now.Add(time.Second)
		b.s = b.m.Tick(b.s, w)
	}
	note := b.s.Checks["a"].Note
	if len(note) > 2*longestNote || !utf8.ValidString(note) || !strings.HasPrefix(note, "no data: éé") || !strings.HasSuffix(note, "é…") {
		t.Errorf("%d bytes: %.400s", len(note), note)
	}
}

// A leader whose clock is an hour behind the last one's goes on measuring.
func TestTheClockGoesBack(t *testing.T) {
	s := spec.Spec{Steps: []spec.Step{weight(10), pause(0)}}
	s.Background = &spec.Background{Metrics: []spec.Metric{metric("a", func(m *spec.Metric) { m.Count = 0 })}}
	b := newBed(t, s).after(21 * time.Second)
	passed := b.s.Checks[Beside+"a"].Passed
	b.w.now = b.w.now.Add(-time.Hour)
	if b.after(11 * time.Second); b.s.Checks[Beside+"a"].Passed != passed+1 || passed == 0 {
		t.Errorf("measured %d times, and then %d", passed, b.s.Checks[Beside+"a"].Passed)
	}
	b.w.value = 2
	b.after(10*time.Second).want(Aborted, 1, 0)
}

func TestLaterMeasurements(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{analysis(metric("a", func(m *spec.Metric) { m.OnNoData = spec.Fail }))}})
	world := func() World {
		w := b.w.world()
		w.Measure = func(spec.Metric, time.Time) Measurement { return Measurement{Err: ErrLater} }
		return w
	}
	for range 35 {
		b.w.now = b.w.now.Add(time.Second)
		b.s = b.m.Tick(b.s, world())
	}
	b.want(Progressing, 0, 0)
	b.w.now = b.w.now.Add(time.Second)
	b.s = b.m.Tick(b.s, world())
	b.want(Aborted, 0, 0)
}

// A measurement reaches back to the one before, or over one interval when nobody
// has measured for long.
func TestMeasurementsJoin(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{analysis(metric("a", func(m *spec.Metric) { m.Count = 100 }))}})
	var spans []time.Duration
	for _, seconds := range []int{1, 10, 13, 19, 20, 500} {
		b.w.now = b.w.now.Add(time.Duration(seconds) * time.Second)
		w := b.w.world()
		w.Measure = func(_ spec.Metric, since time.Time) Measurement {
			spans = append(spans, w.Now.Sub(since)/time.Second)
			return Measurement{Value: 0, Samples: 100}
		}
		b.s = b.m.Tick(b.s, w)
	}
	if !slices.Equal(spans, []time.Duration{10, 13, 19, 10, 10}) {
		t.Errorf("spans in seconds: %d", spans)
	}
}

// What happened while the rollout was paused is not measured by its step.
func TestAPauseIsNotMeasured(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{analysis(metric("a"))}}).after(9 * time.Second)
	b.do(Command{Verb: Pause}).after(time.Hour).do(Command{Verb: Resume})
	if b.after(9 * time.Second); b.s.Checks["a"].Passed != 0 {
		t.Error("it was measured at once")
	}
	if b.after(time.Second); b.s.Checks["a"].Passed != 1 {
		t.Error("it was not measured in time")
	}
}

// The time that a step was paused is not the step's.
func TestPausedTimeDoesNotCount(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{pause(time.Minute), weight(10), pause(0)}, ProgressDeadline: 2 * time.Minute}).after(30 * time.Second)
	b.do(Command{Verb: Pause}).after(time.Hour).want(Paused, 0, 0).do(Command{Verb: Resume})
	b.after(29*time.Second).want(Progressing, 0, 0).after(time.Second).want(Progressing, 2, 10)
}

func TestDeadline(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{weight(10), analysis(metric("a"))}, ProgressDeadline: 5 * time.Minute})
	b.w.silent = true
	b.after(5*time.Minute).want(Progressing, 1, 10).after(time.Second).want(Aborted, 1, 0)
	if e := b.s.Audit[len(b.s.Audit)-1]; e.Trigger != ByDeadline || !strings.Contains(e.Cause, "progressDeadline 5m: waiting for a, which has passed 0 of 2 times; no data: nobody answers") {
		t.Errorf("%+v", e)
	}
}

// What people are waited for may take for ever: promote, and the last old pages.
func TestPeopleHaveNoDeadline(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{pause(0), stream(rollout.Bridge), weight(100), stream(rollout.Retired)}, ProgressDeadline: time.Minute})
	b.after(time.Hour).want(Progressing, 0, 0).do(Command{Verb: Promote})
	b.w.legacy = 2
	b.after(25*time.Hour).want(Progressing, 3, 100)
	if b.s.Reason != "waiting until nobody is on the old stream for a day; about 2 users were" {
		t.Errorf("waiting for: %s", b.s.Reason)
	}
	b.w.legacy, b.w.blind = 0, true
	b.after(time.Second).want(Progressing, 3, 100)
	b.w.blind, b.w.since = false, b.w.now.Add(-23*time.Hour)
	b.after(59*time.Minute+59*time.Second).want(Progressing, 3, 100)
	if b.s.Reason != "waiting until the users of the old stream have been counted for a day; it is 23h50m" {
		t.Errorf("waiting for: %s", b.s.Reason)
	}
	if b.after(time.Second).want(Completed, 4, 100); b.s.Stream != rollout.Retired {
		t.Errorf("stream %s", b.s.Stream)
	}
	// Who polls no more needs a stream, and has it before the weight falls.
	b.do(Command{Verb: Abort, Actor: "ann", Cause: "toasts"}).want(Aborted, 4, 0)
	last := b.s.Audit[len(b.s.Audit)-3:]
	if !slices.Equal(changes(last), []string{"stream", "weight", "phase"}) || b.s.Stream != rollout.Bridge || last[0].Actor != "ann" || last[0].Cause != "abort: toasts" {
		t.Errorf("%+v", last)
	}
}

func TestPromote(t *testing.T) {
	all := spec.Spec{Steps: []spec.Step{pause(0), weight(10), analysis(metric("a")), stream(rollout.Bridge), weight(100), stream(rollout.Retired), pause(0)}}
	b := newBed(t, all).after(time.Second).do(Command{Verb: Promote}).want(Progressing, 1, 0)
	b.after(time.Second).want(Progressing, 2, 10).do(Command{Verb: Promote}).want(Progressing, 3, 10)
	refused(t, b.try(Command{Verb: Promote, Force: true}), "--force is for a step that retires the stream; step 3 is setStream bridge")
	b.do(Command{Verb: Promote, Full: true}).want(Progressing, 5, 100)
	refused(t, b.after(time.Second).try(Command{Verb: Promote}), "step 5 retires the stream and is waiting until")
	refused(t, b.try(Command{Verb: Promote, Full: true}), "promote --force retires it all the same")
	b.do(Command{Verb: Promote, Force: true})
	refused(t, b.try(Command{Verb: Promote, Force: true}), "about to be retired")
	if b.after(time.Second).want(Progressing, 6, 100); b.s.Stream != rollout.Retired {
		t.Errorf("stream %s", b.s.Stream)
	}
	if b.do(Command{Verb: Promote}).want(Completed, 7, 100); b.s.Checks != nil {
		t.Errorf("%+v", b.s.Checks)
	}
	refused(t, b.try(Command{Verb: Promote}), "this one is completed")
	refused(t, newBed(t, all).try(Command{Verb: "dance"}), `unknown verb "dance"`)
}

// Force is for the gate at hand, not for a later one.
func TestForceIsUsedUp(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{stream(rollout.Bridge), weight(100), stream(rollout.Retired)}})
	b.w.legacy = 1
	b.after(time.Second).do(Command{Verb: Promote, Force: true}).do(Command{Verb: Abort})
	b.do(Command{Verb: Retry}).after(time.Minute).want(Progressing, 2, 100)
}

func TestPhasesRefuse(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{weight(10), pause(0)}, Rollback: spec.Rollback{Cooldown: time.Minute}}).after(time.Second)
	refused(t, b.try(Command{Verb: Resume}), "resume is for a rollout that is paused; this one is progressing")
	refused(t, b.try(Command{Verb: Retry}), "retry is for a rollout that was aborted")
	b.do(Command{Verb: Pause, Cause: "lunch"})
	refused(t, b.try(Command{Verb: Promote}), "this one is paused: pause: lunch")
	refused(t, b.try(Command{Verb: Pause}), "pause is for a rollout that is progressing")
	refused(t, b.try(Command{Verb: Resume, Disabled: []string{rollout.TransportFlag}}), "the flag notifications-transport is disabled in the flag file; enable it first")
	b.do(Command{Verb: Abort, Disabled: []string{rollout.TransportFlag}}).want(Aborted, 1, 0)
	refused(t, b.try(Command{Verb: Abort}), "aborted already: abort")
	refused(t, b.try(Command{Verb: Promote}), "this one is aborted")
	b.after(59 * time.Second)
	refused(t, b.try(Command{Verb: Retry}), "lasts another 1s")
	refused(t, b.try(Command{Verb: Retry, Disabled: []string{rollout.StreamFlag}}), "legacy-stream is disabled")
	b.after(time.Second).do(Command{Verb: Retry}).want(Progressing, 0, 0).after(time.Second).want(Progressing, 1, 10)
}

// After an abort the steps run again, and none takes anybody back.
func TestRetryTakesNobodyBack(t *testing.T) {
	b := newBed(t, spec.Spec{
		Steps:    []spec.Step{stream(rollout.Upstream), weight(10), pause(0), stream(rollout.Bridge), weight(60), pause(0)},
		Rollback: spec.Rollback{ToWeight: 30},
	})
	b.after(time.Second).do(Command{Verb: Promote}).after(time.Second).want(Progressing, 5, 60)
	b.do(Command{Verb: Abort}).want(Aborted, 5, 30).do(Command{Verb: Retry}).after(time.Second).want(Progressing, 2, 30)
	if b.s.Stream != rollout.Bridge {
		t.Errorf("stream %s", b.s.Stream)
	}
}

func TestStaleCommands(t *testing.T) {
	b := newBed(t, spec.Spec{Steps: []spec.Step{weight(10), pause(0), analysis(metric("a", func(m *spec.Metric) { m.Count = 100 }))}}).after(time.Second)
	seen := b.s.Version
	b.do(Command{Verb: Promote, Actor: "ann", Cause: "fine", Seen: seen})
	refused(t, b.try(Command{Verb: Abort, Seen: seen}), "has changed since version 2: ")
	refused(t, b.try(Command{Verb: Abort, Seen: seen}), "step 1 -> 2 by ann (promote: fine)")
	refused(t, b.try(Command{Verb: Abort, Seen: 1000}), "version 1000 does not exist")
	// Measurements make versions too, and nobody's command stale.
	seen = b.s.Version
	if b.after(time.Minute); b.s.Version == seen {
		t.Fatal("nothing was measured")
	}
	b.do(Command{Verb: Abort, Seen: seen}).want(Aborted, 2, 0)
}

func TestAnotherSpecIsAdopted(t *testing.T) {
	b := newBed(t, waits).after(time.Second).do(Command{Verb: Promote}).after(time.Second).want(Progressing, 3, 50)
	b.m = For(spec.Spec{Steps: []spec.Step{weight(20), pause(0)}})
	refused(t, b.try(Command{Verb: Promote}), "another spec")
	b.s = b.m.Adopt(b.s, b.w.now)
	b.want(Paused, 0, 50).after(time.Hour).want(Paused, 0, 50).do(Command{Verb: Resume}).after(time.Second).want(Progressing, 1, 50)
	b.do(Command{Verb: Abort})
	b.m = For(waits)
	if b.s = b.m.Adopt(b.s, b.w.now); b.s.Phase != Aborted {
		t.Errorf("another spec made an abort %s", b.s.Phase)
	}
}

// A comment or a default that is written out makes no other spec.
func TestHash(t *testing.T) {
	a, b := For(waits), For(spec.Spec{Steps: append([]spec.Step(nil), waits.Steps...)})
	if a.Hash != b.Hash || a.Hash == For(spec.Spec{Steps: waits.Steps[1:]}).Hash {
		t.Errorf("%s, %s", a.Hash, b.Hash)
	}
}

func TestAuditIsBounded(t *testing.T) {
	b := newBed(t, waits).after(time.Second)
	for range auditKept {
		b.do(Command{Verb: Pause}).do(Command{Verb: Resume})
	}
	if len(b.s.Audit) != auditKept || b.s.Audit[auditKept-1].Version != b.s.Version {
		t.Errorf("%d entries", len(b.s.Audit))
	}
}

// The hash is API between releases: one that gives a known spec another hash takes
// every rollout that is under way back to its first step, and gateways of both
// releases would do so in turn. A new field of spec.Spec must not change the hash of
// specs without it (omitzero).
func TestTheHashOfAKnownSpecStays(t *testing.T) {
	s, err := spec.Load("../../docs/rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := For(s).Hash, "fc78f051125c0066"; got != want {
		t.Errorf("%s, want %s: a changed docs/rollout.yaml is the one good reason", got, want)
	}
}
