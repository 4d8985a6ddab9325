package spec

import (
	"strings"
	"testing"
	"time"

	"sluice/rollout"
)

const head = "apiVersion: sluice/v1alpha1\nkind: Rollout\n"

// mustParse is Parse for a file that must be right; its head is added.
func mustParse(t testing.TB, body string) Spec {
	t.Helper()
	s, err := Parse("r.yaml", head+body)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// metric puts fields of a metric into a file of one step.
func metric(fields string) string {
	return "spec: {steps: [{analysis: {metrics: [{" + fields + "}]}}]}\n"
}

// problem is Parse's error for a file, whose head is added.
func problem(body string) string {
	_, err := Parse("r.yaml", head+body)
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestEverythingTogether(t *testing.T) {
	s, err := Load("../../docs/rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "notifications" || len(s.Steps) != 13 || s.ProgressDeadline != 2*time.Hour || s.Rollback != (Rollback{Cooldown: 10 * time.Minute}) {
		t.Errorf("got %+v", s)
	}
	if m := s.Steps[8].Metrics[2]; m.Address != "http://prometheus:9090" || m.Query == "" || *m.Range.Max != 0.5 || m.OnNoData != Pass || m.MinSamples != 0 {
		t.Errorf("got %+v", m)
	}
	if b := s.Background; b.StartingStep != 1 || len(b.Metrics) != 3 || b.Metrics[0].Count != 0 || s.Measures(0) || !s.Measures(1) {
		t.Errorf("got %+v", b)
	}
	for step, want := range map[int]State{0: {3, rollout.Upstream}, 1: {1, rollout.Upstream}, 7: {50, rollout.Bridge}, 12: {100, rollout.Retired}} {
		if got := s.After(step, State{3, rollout.Upstream}); got != want {
			t.Errorf("after step %d: %+v, want %+v", step, got, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	s := mustParse(t, "spec: {steps: [{pause: {}}, {analysis: {metrics: [{name: staleness-p95}]}}]}\n")
	if s.Name != "" || s.Background != nil || s.ProgressDeadline != 0 || s.Rollback != (Rollback{}) || s.Steps[0].Pause != 0 {
		t.Errorf("got %+v", s)
	}
	m := s.Steps[1].Metrics[0]
	check, _ := CheckNamed("staleness-p95")
	if m.Source != Internal || m.Interval != 30*time.Second || m.Count != 5 || m.FailureLimit != 0 || m.OnNoData != Inconclusive || m.DryRun ||
		m.MinSamples != check.MinSamples || m.Range != check.Range {
		t.Errorf("got %+v", m)
	}
}

// A metric's own address beats that of all.
func TestAddresses(t *testing.T) {
	const q = "source: prometheus, query: up, thresholdRange: {min: 1}"
	s := mustParse(t, "spec: {prometheus: {address: 'https://all/p/'}, steps: [{analysis: {metrics: [{name: a, "+q+"}, {name: b, "+q+
		", prometheus: {address: 'http://one:9090'}}]}}], analysis: {metrics: [{name: c, "+q+"}, {name: false-empties}]}}\n")
	got := []string{s.Steps[0].Metrics[0].Address, s.Steps[0].Metrics[1].Address, s.Background.Metrics[0].Address, s.Background.Metrics[1].Address}
	if strings.Join(got, " ") != "https://all/p http://one:9090 https://all/p " {
		t.Errorf("got %q", got)
	}
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		r    Range
		v    float64
		want bool
	}{
		{atLeast(0.999), 0.999, true}, {atLeast(0.999), 0.9989, false}, {atMost(0), 0, true}, {atMost(0), 0.1, false},
		{atMost(0), nan(), false}, {atLeast(0), nan(), false}, {Range{atLeast(1).Min, atMost(2).Max}, 1.5, true}, {Range{atLeast(1).Min, atMost(2).Max}, 3, false},
	} {
		if got := c.r.Holds(c.v); got != c.want {
			t.Errorf("%v holds %v: %v", c.r, c.v, got)
		}
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h", 100 * time.Minute: "1h40m",
		time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s", 110 * time.Second: "1m50s",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
