package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/rollout"
	"sluice/rollout/spec"
)

// weather is what the world is like for a while.
type weather struct {
	now      time.Time
	disabled bool
	unread   bool // the flag file cannot be read
	legacy   uint64
	since    time.Time
	blind    bool // legacy users cannot be counted
	value    float64
	samples  int
	silent   bool // nothing can be measured
}

func (w *weather) world() World {
	out := World{
		Now: w.now,
		Legacy: func() (uint64, time.Time, error) {
			if w.blind {
				return 0, time.Time{}, errors.New("nobody counts")
			}
			return w.legacy, w.since, nil
		},
		Measure: func(spec.Metric, time.Time) Measurement {
			if w.silent {
				return Measurement{Err: errors.New("nobody answers")}
			}
			return Measurement{Value: w.value, Samples: w.samples}
		},
	}
	if w.disabled {
		out.Disabled = []string{rollout.TransportFlag}
	}
	if w.unread {
		out.FlagFile = errors.New("it is no JSON")
	}
	return out
}

var one = 1.0

func genMetric(t *rapid.T, count int) spec.Metric {
	return spec.Metric{
		Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "metric"), Range: spec.Range{Max: &one},
		Interval: time.Duration(rapid.IntRange(1, 60).Draw(t, "interval")) * time.Second, Count: count,
		FailureLimit: rapid.IntRange(0, 2).Draw(t, "limit"), MinSamples: rapid.IntRange(1, 10).Draw(t, "min"),
		OnNoData: spec.Inconclusive,
	}
}

func genSpec(t *rapid.T) spec.Spec {
	s := spec.Spec{
		ProgressDeadline: time.Duration(rapid.SampledFrom([]int{0, 600}).Draw(t, "deadline")) * time.Second,
		Rollback:         spec.Rollback{ToWeight: rapid.SampledFrom([]int{0, 10}).Draw(t, "to"), Cooldown: time.Minute},
	}
	if rapid.Bool().Draw(t, "background") {
		s.Background = &spec.Background{StartingStep: rapid.IntRange(0, 2).Draw(t, "from"), Metrics: []spec.Metric{genMetric(t, 0)}}
	}
	weight := 0
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		switch rapid.IntRange(0, 3).Draw(t, "verb") {
		case 0:
			weight = rapid.IntRange(weight, 100).Draw(t, "weight")
			s.Steps = append(s.Steps, spec.Step{Verb: spec.SetWeight, Weight: weight})
		case 1:
			s.Steps = append(s.Steps, spec.Step{Verb: spec.Pause, Pause: time.Duration(rapid.SampledFrom([]int{0, 30}).Draw(t, "pause")) * time.Second})
		case 2:
			s.Steps = append(s.Steps, spec.Step{Verb: spec.Analyse, Metrics: []spec.Metric{genMetric(t, rapid.IntRange(1, 3).Draw(t, "count"))}})
		case 3:
			s.Steps = append(s.Steps, spec.Step{Verb: spec.SetStream, Stream: rapid.SampledFrom([]rollout.Stream{rollout.Upstream, rollout.Bridge}).Draw(t, "stream")})
		}
	}
	return whole(s)
}

// whole ends a spec as a whole rollout ends.
func whole(s spec.Spec) spec.Spec {
	s.Steps = append(s.Steps, spec.Step{Verb: spec.SetStream, Stream: rollout.Bridge},
		spec.Step{Verb: spec.SetWeight, Weight: 100}, spec.Step{Verb: spec.SetStream, Stream: rollout.Retired})
	return s
}

// What the package comment promises, over random specs, worlds, commands and
// controllers that act on old states.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &weather{now: time.Unix(1_800_000_000, 0).UTC(), samples: 100}
		w.since = w.now.Add(-time.Duration(rapid.IntRange(0, 48).Draw(t, "counted")) * time.Hour)
		m := Machine{Spec: genSpec(t), Hash: "h"}
		s := m.Start(w.now, rollout.Heading{Stream: rollout.Upstream})
		for range rapid.IntRange(1, 60).Draw(t, "moments") {
			before := s
			var command *Command
			switch {
			case rapid.IntRange(0, 29).Draw(t, "edit") == 0: // the spec
				m = Machine{Spec: genSpec(t), Hash: rapid.StringMatching("[a-z]{4}").Draw(t, "hash")}
				s = m.Adopt(before, w.now)
			case rapid.IntRange(0, 3).Draw(t, "what") == 0:
				c := genCommand(t, before)
				command = &c
				after, err := m.Do(before, c, w.now)
				if err != nil && !same(after, before) {
					t.Fatalf("refused (%v), and changed all the same", err)
				}
				s = after
			default:
				change(t, w)
				s = m.Tick(before, w.world())
			}
			if s.Spec == before.Spec {
				check(t, m, before, s, w, command)
			} else if s.Weight != before.Weight || s.Stream != before.Stream || s.Phase != Paused && before.Phase != Aborted {
				t.Fatalf("another spec moved %+v to %+v", before, s)
			}
		}
	})
}

func genCommand(t *rapid.T, s State) Command {
	c := Command{
		Verb: rapid.SampledFrom([]Verb{Promote, Promote, Abort, Retry, Retry, Pause, Resume, Resume, "dance"}).Draw(t, "command"),
		Full: rapid.IntRange(0, 3).Draw(t, "full") == 0, Force: rapid.IntRange(0, 9).Draw(t, "force") == 0, Actor: "ann",
	}
	if rapid.IntRange(0, 3).Draw(t, "stale") == 0 && s.Version > 1 {
		c.Seen = s.Version - 1
	}
	return c
}

func change(t *rapid.T, w *weather) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
	w.disabled = rapid.IntRange(0, 19).Draw(t, "disabled") == 0
	w.unread = rapid.IntRange(0, 9).Draw(t, "unread") == 0
	w.blind = rapid.IntRange(0, 9).Draw(t, "blind") == 0
	w.silent = rapid.IntRange(0, 9).Draw(t, "silent") == 0
	w.legacy = uint64(rapid.IntRange(0, 1).Draw(t, "legacy"))
	w.value = float64(rapid.IntRange(0, 11).Draw(t, "value")) / 10 // mostly good
	w.samples = rapid.SampledFrom([]int{0, 5, 100}).Draw(t, "samples")
}

func check(t *rapid.T, m Machine, before, after State, w *weather, c *Command) {
	if same(before, after) {
		return
	}
	if after.Version != before.Version+1 {
		t.Fatalf("version %d follows %d", after.Version, before.Version)
	}
	if c != nil && c.Seen != 0 && (c.Seen > before.Version || before.EntriesSince(c.Seen) != nil) {
		t.Fatal("a command on an old state was obeyed")
	}
	noted := changes(after.EntriesSince(before.Version))
	if before.Weight != after.Weight && !slices.Contains(noted, "weight") || before.Stream != after.Stream && !slices.Contains(noted, "stream") ||
		before.Phase != after.Phase && !slices.Contains(noted, "phase") || before.Step != after.Step && !slices.Contains(noted, "step") {
		t.Fatalf("a change from %+v to %+v is missing in the audit: %v", before, after, noted)
	}
	for _, e := range after.EntriesSince(before.Version) {
		known := Transition{e.Change, e.From, e.To, e.Trigger}
		if (e.Change == "phase" || e.Change == "stream") && !slices.Contains(Transitions(), known) {
			t.Fatalf("%+v cannot happen", known)
		}
	}
	aborted := after.Phase == Aborted && before.Phase != Aborted
	switch {
	case after.Weight < before.Weight && !aborted:
		t.Fatalf("the weight fell from %d to %d without an abort", before.Weight, after.Weight)
	case rank(after.Stream) < rank(before.Stream) && (!aborted || before.Stream != rollout.Retired || after.Stream != rollout.Bridge):
		t.Fatalf("the stream went back from %s to %s", before.Stream, after.Stream)
	case after.Weight > before.Weight && (aborted || after.Weight > m.Spec.After(min(after.Step, len(m.Spec.Steps)-1), spec.State{}).Weight):
		t.Fatalf("the weight rose from %d to %d at step %d", before.Weight, after.Weight, after.Step)
	case aborted && after.Weight > m.Spec.Rollback.ToWeight && after.Weight > min(before.Weight, m.Spec.Rollback.ToWeight):
		t.Fatalf("aborted at weight %d", after.Weight)
	case aborted && after.Stream == rollout.Retired:
		t.Fatal("aborted, and the stream is still retired")
	}
	if after.Stream == rollout.Retired && before.Stream != rollout.Retired {
		counted := !w.blind && w.legacy == 0 && w.now.Sub(w.since) >= legacyFor
		if after.Weight != 100 || !counted && !before.Forced {
			t.Fatalf("the stream was retired: %+v", w)
		}
	}
	if w.disabled && c == nil && before.Phase == Progressing && after.Phase != Paused {
		t.Fatal("a disabled flag did not pause the rollout")
	}
	if w.unread && c == nil && (after.Step != before.Step || after.Weight > before.Weight || rank(after.Stream) > rank(before.Stream)) {
		t.Fatal("a step was taken while the flag file could not be read")
	}
	if (before.Phase == Paused || before.Phase == Aborted) && after.Phase == Progressing && c == nil {
		t.Fatal("resumed by nobody")
	}
	if aborted && c == nil {
		reasons(t, m, before, after, w)
	}
	if c == nil {
		evidence(t, m, before, after, w)
	}
}

// reasons: nothing but a failed check or a deadline that runs aborts by itself.
func reasons(t *rapid.T, m Machine, before, after State, w *weather) {
	why := after.Audit[len(after.Audit)-1]
	switch why.Trigger {
	case ByCheck:
		if w.silent || w.samples < 1 || w.value <= 1 || why.Value == nil || *why.Value != w.value || why.Check == "" || why.Threshold == "" {
			t.Fatalf("aborted by %+v in %+v", why, w)
		}
	case ByDeadline:
		st := m.Spec.Steps[after.Step]
		if before.Phase == Paused || m.Spec.ProgressDeadline == 0 || st.WaitsFor() != "" || w.now.Sub(after.Began) < m.Spec.ProgressDeadline {
			t.Fatalf("a deadline passed at %+v of %+v", st, before)
		}
	default:
		t.Fatalf("aborted by %+v", why)
	}
}

// evidence: no analysis ends by itself without the last measurement having
// passed, and no step while the background lacks data.
func evidence(t *rapid.T, m Machine, before, after State, w *weather) {
	if before.Phase != Progressing || after.Phase == Aborted || before.Step == after.Step {
		return
	}
	if m.Spec.Measures(before.Step) {
		metric := m.Spec.Background.Metrics[0]
		if p, begun := before.Checks[Beside+metric.Name]; begun && (w.silent || w.samples < metric.MinSamples) && (p.Inconclusive > 0 || w.now.Sub(p.Measured) >= metric.Interval) {
			t.Fatalf("step %d ended without data of the background: %+v", before.Step, p)
		}
	}
	st := m.Spec.Steps[before.Step]
	switch metric := st.Metrics; st.Verb {
	case spec.Analyse:
		p := before.Checks[metric[0].Name]
		if p.Passed < metric[0].Count && (p.Passed != metric[0].Count-1 || w.silent || w.samples < metric[0].MinSamples || w.value > 1 || w.now.Sub(p.Measured) < metric[0].Interval) {
			t.Fatalf("step %d ended with %+v", before.Step, p)
		}
	case spec.Pause:
		if st.Pause == 0 || w.now.Sub(before.Began)-before.Waited < st.Pause {
			t.Fatalf("a pause of %s ended after %s", st.Pause, w.now.Sub(before.Began)-before.Waited)
		}
	}
}

func rank(s rollout.Stream) int {
	return slices.Index([]rollout.Stream{rollout.Upstream, rollout.Bridge, rollout.Retired}, s)
}

func same(a, b State) bool { return !a.differs(b) && a.Version == b.Version }

func changes(entries []Entry) (out []string) {
	for _, e := range entries {
		if e.Actor == "" || e.Cause == "" || e.At.IsZero() || !slices.Contains(Triggers, e.Trigger) {
			return nil
		}
		out = append(out, e.Change)
	}
	return out
}

// Whatever happened before, a world in which all is well brings a rollout to its
// end, with a person who resumes, retries and promotes where it waits for one.
func TestModelEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &weather{now: time.Unix(1_800_000_000, 0).UTC()}
		w.since = w.now.Add(-48 * time.Hour)
		m := Machine{Spec: genSpec(t), Hash: "h"}
		s := m.Start(w.now, rollout.Heading{Stream: rollout.Upstream})
		for range rapid.IntRange(0, 30).Draw(t, "moments") {
			if rapid.Bool().Draw(t, "command") {
				s, _ = m.Do(s, genCommand(t, s), w.now)
			} else {
				change(t, w)
				s = m.Tick(s, w.world())
			}
		}
		w.disabled, w.unread, w.blind, w.silent, w.legacy, w.value, w.samples = false, false, false, false, 0, 0.5, 100
		for range 2000 {
			w.now = w.now.Add(10 * time.Second)
			s = m.Tick(s, w.world())
			switch {
			case s.Phase == Paused:
				s, _ = m.Do(s, Command{Verb: Resume}, w.now)
			case s.Phase == Aborted:
				s, _ = m.Do(s, Command{Verb: Retry}, w.now)
			case strings.HasPrefix(s.Reason, "waiting for promote"):
				s, _ = m.Do(s, Command{Verb: Promote}, w.now)
			}
			if s.Phase == Completed {
				if s.Weight != 100 || s.Stream != rollout.Retired {
					t.Fatalf("completed at %d, %s", s.Weight, s.Stream)
				}
				return
			}
		}
		t.Fatalf("it does not end: %+v", s)
	})
}
