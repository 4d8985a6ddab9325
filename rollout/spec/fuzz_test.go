package spec

import (
	"os"
	"strings"
	"testing"

	"sluice/rollout"
)

// FuzzParse looks for panics, for errors without a place, and for accepted files
// that break a promise or that the schema refuses.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../docs/rollout.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	for _, c := range refusals {
		f.Add(head + c.body)
	}
	compiled := schema(f)
	f.Fuzz(func(t *testing.T, content string) {
		s, err := Parse("r.yaml", content)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "r.yaml:") {
					t.Errorf("no place in %q", line)
				}
			}
			return
		}
		promised(t, s)
		if err := validate(t, compiled, content); err != nil {
			t.Errorf("the schema refuses it: %v", err)
		}
	})
}

// promised is what the package comment promises.
func promised(t *testing.T, s Spec) {
	t.Helper()
	if len(s.Steps) == 0 {
		t.Error("no steps")
	}
	now := State{Stream: rollout.Upstream}
	for i, st := range s.Steps {
		next := s.After(i, State{Stream: rollout.Upstream})
		if next.Weight < now.Weight || next.Weight > 100 || next.Stream == rollout.Retired && next.Weight < 100 || st.Verb == "" {
			t.Errorf("step %d: %+v to %+v", i, now, next)
		}
		now = next
	}
	s.eachMetric(func(m *Metric) {
		if m.Name == "" || m.Interval < minInterval || m.OnNoData == "" || m.Range.Min == nil && m.Range.Max == nil || (m.Source == Internal) != (m.MinSamples > 0) {
			t.Errorf("metric %+v", m)
		}
	})
}
