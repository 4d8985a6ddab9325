package proxy

import (
	"bufio"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/proxy/config"
	"sluice/rollout"
	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// shown are the rollout's gauges that are not 0, as /metrics tells them.
func shown(m *metrics) (lines []string) {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for s := bufio.NewScanner(w.Body); s.Scan(); {
		line, ours := strings.CutPrefix(s.Text(), "sluice_rollout_")
		if ours && !strings.HasSuffix(line, " 0") {
			lines = append(lines, line)
		}
	}
	return lines
}

// A rollout that a dashboard shows: where it is, what its checks say and may say,
// and how long it has lacked data. A check of another step has no say in that.
func TestRolloutIsShown(t *testing.T) {
	limit := func(v float64) *float64 { return &v }
	check := func(name string, every time.Duration, r spec.Range) spec.Metric {
		return spec.Metric{Name: name, Interval: every, Range: r}
	}
	s := spec.Spec{
		Steps: []spec.Step{
			{Verb: spec.SetWeight, Weight: 10},
			{Verb: spec.Analyse, Metrics: []spec.Metric{check("own", time.Minute, spec.Range{Min: limit(0.5), Max: limit(2)})}},
			{Verb: spec.Analyse, Metrics: []spec.Metric{check("own", time.Minute, spec.Range{Max: limit(3)}), check("later", time.Hour, spec.Range{})}},
		},
		Background: &spec.Background{StartingStep: 1, Metrics: []spec.Metric{check("beside", 30*time.Second, spec.Range{Max: limit(7)})}},
	}
	state := control.State{
		Spec: control.For(s).Hash, Phase: control.Progressing, Step: 1, Weight: 10, Stream: rollout.Bridge,
		Checks: map[string]control.Progress{"own": {Inconclusive: 3}, "+beside": {Value: limit(4), Inconclusive: 2}, "later": {Inconclusive: 9}},
	}
	m := newMetrics(config.Default())
	m.forRollout(s)
	for _, c := range []struct {
		name   string
		change func(*control.State)
		want   []string
	}{
		{"without data", func(*control.State) {}, []string{`phase{phase="progressing"} 1`, "stalled_seconds 180"}},
		{"a background check lacks it longer", func(s *control.State) { s.Checks["own"] = control.Progress{} }, []string{"stalled_seconds 60"}},
		{"before the background begins", func(s *control.State) { s.Step = 0 }, []string{"!stalled_seconds"}},
		{"paused", func(s *control.State) { s.Phase = control.Paused }, []string{`phase{phase="paused"} 1`, "!stalled_seconds", `!phase{phase="progressing"}`}},
		{"of another spec", func(s *control.State) { s.Spec, s.Step = "other", 99 }, []string{"!stalled_seconds"}},
		{"completed", func(s *control.State) { s.Phase, s.Step = control.Completed, 3 }, []string{`phase{phase="completed"} 1`, "!stalled_seconds"}},
		{"with data", func(s *control.State) { s.Checks = nil }, []string{
			`analysis_limit{bound="max",flag="notifications-transport",metric="beside"} 7`, `analysis_limit{bound="max",flag="notifications-transport",metric="own"} 2`,
			`analysis_limit{bound="min",flag="notifications-transport",metric="own"} 0.5`, `analysis_value{flag="notifications-transport",metric="beside"} 4`,
			`target_ratio{flag="notifications-transport"} 0.1`, `target_ratio{flag="legacy-stream"} 1`, `step{flag="legacy-stream"} 1`, "!stalled_seconds",
		}},
	} {
		now := state
		now.Checks = map[string]control.Progress{}
		for name, p := range state.Checks {
			now.Checks[name] = p
		}
		c.change(&now)
		m.showRollout(now)
		got := shown(m)
		for _, want := range c.want {
			absent, no := strings.CutPrefix(want, "!")
			has := slices.ContainsFunc(got, func(line string) bool { return line == want || no && strings.HasPrefix(line, absent) })
			if has == no {
				t.Errorf("%s: want %s in\n%s", c.name, want, strings.Join(got, "\n"))
			}
		}
	}
}
