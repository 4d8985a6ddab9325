package spec

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/rollout"
)

// TestRoundTrip writes a random rollout with every key and reads it back; the
// schema must accept it too.
func TestRoundTrip(t *testing.T) {
	s := schema(t)
	rapid.Check(t, func(rt *rapid.T) {
		want := drawSpec(rt)
		text := write(want)
		got, err := Parse("r.yaml", text)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%s\n%s", diff, text)
		}
		if err := validate(t, s, text); err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
	})
}

func drawSpec(t *rapid.T) Spec {
	s := Spec{
		Name:     rapid.String().Draw(t, "name"),
		Rollback: Rollback{ToWeight: rapid.IntRange(0, 99).Draw(t, "toWeight"), Cooldown: drawDuration(t, 0)},
	}
	now, longest, bridged := State{Stream: rollout.Upstream}, time.Second, false
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		st := drawStep(t, now, bridged)
		s.Steps = append(s.Steps, st)
		now = s.After(len(s.Steps)-1, State{Stream: rollout.Upstream})
		bridged = bridged || now.Stream == rollout.Bridge
		longest = max(longest, st.Pause, earliest(st.Metrics))
	}
	if longest < maxPause && rapid.Bool().Draw(t, "deadline") {
		s.ProgressDeadline = longest + time.Millisecond
	}
	if rapid.Bool().Draw(t, "background") {
		s.Background = &Background{StartingStep: rapid.IntRange(0, len(s.Steps)-1).Draw(t, "start"), Metrics: drawMetrics(t, false)}
	}
	return s
}

func drawStep(t *rapid.T, now State, bridged bool) Step {
	verb := rapid.SampledFrom([]Verb{SetWeight, SetStream, Pause, Analyse}).Draw(t, "verb")
	st := Step{Verb: verb}
	switch verb {
	case SetWeight:
		st.Weight = rapid.IntRange(now.Weight, 100).Draw(t, "weight")
	case SetStream:
		st.Stream = now.Stream
		switch {
		case now.Stream == rollout.Upstream:
			st.Stream = rapid.SampledFrom([]rollout.Stream{rollout.Upstream, rollout.Bridge}).Draw(t, "stream")
		case bridged && now.Weight == 100:
			st.Stream = rollout.Retired
		}
	case Pause:
		if rapid.Bool().Draw(t, "timed") {
			st.Pause = drawDuration(t, time.Second)
		}
	case Analyse:
		st.Metrics = drawMetrics(t, true)
	}
	return st
}

func drawDuration(t *rapid.T, low time.Duration) time.Duration {
	return max(low, time.Duration(rapid.Int64Range(0, 30*60*1000).Draw(t, "ms"))*time.Millisecond)
}

func drawMetrics(t *rapid.T, end bool) []Metric {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Metric { return drawMetric(t, end) }), 1, 5, func(m Metric) string { return m.Name }).Draw(t, "metrics")
}

func drawMetric(t *rapid.T, end bool) Metric {
	m := Metric{
		Interval: drawDuration(t, time.Second), FailureLimit: rapid.IntRange(0, maxCount).Draw(t, "failures"),
		OnNoData: rapid.SampledFrom([]NoData{Inconclusive, Pass, Fail}).Draw(t, "no data"), DryRun: rapid.Bool().Draw(t, "dry"),
	}
	if end {
		m.Count = rapid.IntRange(1, maxCount).Draw(t, "count")
	}
	low, width := rapid.Float64Range(-1e6, 1e6).Draw(t, "min"), rapid.Float64Range(0, 1e6).Draw(t, "width")
	m.Range = []Range{atLeast(low), atMost(low), {Min: &low, Max: atMost(low + width).Max}}[rapid.IntRange(0, 2).Draw(t, "ends")]
	if rapid.Bool().Draw(t, "prometheus") {
		m.Source, m.Name = Prometheus, rapid.StringMatching(nameForm.String()).Draw(t, "metric")
		m.Query = "x" + rapid.String().Draw(t, "query")
		m.Address = rapid.SampledFrom([]string{"http://p:9090", "https://p/a/b"}).Draw(t, "address")
		return m
	}
	m.Source, m.Name = Internal, rapid.SampledFrom(Checks).Draw(t, "check").Name
	m.MinSamples = rapid.IntRange(1, maxSamples).Draw(t, "samples")
	return m
}

// write gives every key but those that say nothing.
func write(s Spec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%smetadata: {name: %s}\nspec:\n  steps:\n", head, quote(s.Name))
	for _, st := range s.Steps {
		switch st.Verb {
		case SetWeight:
			fmt.Fprintf(&b, "    - setWeight: %d\n", st.Weight)
		case SetStream:
			fmt.Fprintf(&b, "    - setStream: %s\n", st.Stream)
		case Pause:
			b.WriteString("    - pause: {")
			if st.Pause > 0 {
				fmt.Fprintf(&b, "duration: %s", st.Pause)
			}
			b.WriteString("}\n")
		case Analyse:
			b.WriteString("    - analysis:\n        metrics:\n")
			writeMetrics(&b, st.Metrics)
		}
	}
	if s.Background != nil {
		fmt.Fprintf(&b, "  analysis:\n    startingStep: %d\n    metrics:\n", s.Background.StartingStep)
		writeMetrics(&b, s.Background.Metrics)
	}
	if s.ProgressDeadline > 0 {
		fmt.Fprintf(&b, "  progressDeadline: %s\n", s.ProgressDeadline)
	}
	fmt.Fprintf(&b, "  rollback: {toWeight: %d, cooldown: %s}\n", s.Rollback.ToWeight, s.Rollback.Cooldown)
	return b.String()
}

func writeMetrics(b *strings.Builder, metrics []Metric) {
	for _, m := range metrics {
		fmt.Fprintf(b, "          - name: %s\n            source: %s\n", quote(m.Name), m.Source)
		line := func(format string, args ...any) { fmt.Fprintf(b, "            "+format+"\n", args...) }
		if m.Source == Prometheus {
			line("query: %s", quote(m.Query))
			line("prometheus: {address: %s}", quote(m.Address))
		} else {
			line("minSamples: %d", m.MinSamples)
		}
		var ends []string
		if m.Range.Min != nil {
			ends = append(ends, "min: "+strconv.FormatFloat(*m.Range.Min, 'f', -1, 64))
		}
		if m.Range.Max != nil {
			ends = append(ends, "max: "+strconv.FormatFloat(*m.Range.Max, 'f', -1, 64))
		}
		line("thresholdRange: {%s}", strings.Join(ends, ", "))
		line("interval: %s", m.Interval)
		if m.Count > 0 {
			line("count: %d", m.Count)
		}
		line("failureLimit: %d", m.FailureLimit)
		line("onNoData: %s", m.OnNoData)
		line("dryRun: %v", m.DryRun)
	}
}

// quote makes any text a YAML scalar.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String() + `"`
}
