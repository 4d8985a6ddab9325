package spec

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/rollout"
)

var update = flag.Bool("update", false, "write testdata anew")

// goodSite is one at which nothing is to be said.
func goodSite() Site {
	return Site{
		Baseline: rollout.Baseline{Stream: rollout.Upstream}, Flags: true,
		PollInterval: 5 * time.Second, OldPageDuration: 290 * time.Second, AuditRatio: 1000, ShadowRatio: 0.01,
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s changed; if it should, run go test ./rollout/spec -update\n%s", file, got)
	}
}

// The plan of the example, for people and for scripts; its keys are API.
func TestPlan(t *testing.T) {
	s, err := Load("../../docs/rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plan := s.Plan(goodSite(), 1_000_000)
	golden(t, "testdata/plan.txt", plan.String())
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/plan.json", string(text)+"\n")
}

// A plan that knows no number of users, takes some back and warns.
func TestPlanOfShares(t *testing.T) {
	s := mustParse(t, "spec: {steps: [{setWeight: 50}, {analysis: {metrics: [{name: x, source: prometheus, query: up, thresholdRange: {min: 1, max: 2}}]}}]}\n")
	site := goodSite()
	site.Baseline = rollout.Baseline{Poll: 60}
	golden(t, "testdata/shares.txt", s.Plan(site, 0).String())
}

func TestPlanNumbers(t *testing.T) {
	s := mustParse(t, "spec: {steps: [{setWeight: 1}, {pause: {duration: 90s}}, {pause: {}}, {analysis: {metrics: [{name: staleness-p95, interval: 10s, count: 3}, {name: false-empties, interval: 20s, count: 2}]}}, {setWeight: 50}]}\n")
	p := s.Plan(goodSite(), 250)
	want := []struct{ at, waits, lasts, onPoll, moved int }{{0, 0, 0, 3, 3}, {0, 0, 90, 3, 0}, {90, 0, 0, 3, 0}, {90, 1, 40, 3, 0}, {130, 1, 0, 125, 122}}
	for i, w := range want {
		st := p.Steps[i]
		if seconds(st.At) != w.at || st.AfterWaits != w.waits || seconds(st.Lasts) != w.lasts || *st.OnPoll != w.onPoll || *st.Moved != w.moved {
			t.Errorf("step %d: %+v, %d on poll, %d moved, want %+v", i, st, *st.OnPoll, *st.Moved, w)
		}
	}
	if seconds(p.Lasts) != 130 || len(p.Warnings) != 0 {
		t.Errorf("%+v", p)
	}
}

func seconds(s Span) int { return int(time.Duration(s).Seconds()) }

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestAdvice(t *testing.T) {
	const checked = ", {analysis: {metrics: [{name: poll-success-ratio}]}}"
	steps := func(s string) string { return "spec: {steps: [" + s + "]}\n" }
	for _, c := range []struct {
		name, body string
		site       func(*Site)
		want       string
	}{
		{"nothing", steps("{setWeight: 10}" + checked + ", {setWeight: 100}"), nil, ""},
		{"first weight", steps("{setWeight: 0}, {setWeight: 26}"), nil, "spec.steps[1] is the first to move users, and moves 26 % at once; 25 or less can do less harm"},
		{"second weight", steps("{setWeight: 25}, {setWeight: 99}"), nil, ""},
		{"no analysis", steps("{setWeight: 10}, {pause: {}}, {setWeight: 100}" + checked), nil,
			"nothing is checked before spec.steps[2] puts everybody on poll: put an analysis before it, or one beside the steps"},
		{"only a dry run", steps("{setWeight: 10}, {analysis: {metrics: [{name: staleness-p95, dryRun: true}]}}, {setWeight: 100}"), nil,
			"nothing is checked before spec.steps[2] puts everybody on poll: put an analysis before it, or one beside the steps"},
		{"beside the steps", "spec: {steps: [{setWeight: 10}, {pause: {}}, {setWeight: 100}], analysis: {startingStep: 1, metrics: [{name: staleness-p95}]}}\n", nil, ""},
		{"beside the steps, too late", "spec: {steps: [{setWeight: 10}, {pause: {}}, {setWeight: 100}], analysis: {startingStep: 2, metrics: [{name: staleness-p95}]}}\n", nil,
			"nothing is checked before spec.steps[2] puts everybody on poll: put an analysis before it, or one beside the steps"},
		{"no address", steps("{setWeight: 1}, {analysis: {metrics: [{name: a, source: prometheus, query: up, thresholdRange: {min: 1}}]}}"), nil,
			"a in spec.steps[1] never has data: there is no prometheus.address, neither in spec nor in the metric"},
		{"file above the first step", steps("{setWeight: 1}"), func(s *Site) { s.Poll = 2.5 }, "the flag file has 2.5 % of users on poll, and spec.steps[0] sets 1: that moves users back"},
		{"file at the first step", steps("{setWeight: 1}"), func(s *Site) { s.Poll = 1 }, ""},
		{"no file", steps("{setWeight: 1}"), func(s *Site) { s.Flags, s.Poll = false, 100 },
			"rollout.flags is empty: everybody polls already, and the steps move nobody; name a flag file"},
		{"disabled", steps("{setWeight: 1}"), func(s *Site) { s.Disabled = true },
			"notifications-transport is DISABLED in the flag file: everybody is on sse, and the rollout is paused until it is ENABLED"},
		{"rollback to the first weight", "spec: {steps: [{setWeight: 5}], rollback: {toWeight: 5}}\n", nil, "an abort right after spec.steps[0] moves nobody back: rollback.toWeight is 5, its weight 5"},
		{"audits off", steps("{setWeight: 1}, {analysis: {metrics: [{name: false-empties}]}}"), func(s *Site) { s.AuditRatio = 0 },
			"false-empties in spec.steps[1] never has data: cache.audit_ratio is 0"},
		{"no shadow", steps("{analysis: {metrics: [{name: shadow-missed}]}}"), func(s *Site) { s.ShadowRatio = 0 },
			"shadow-missed in spec.steps[0] never has data: rollout.shadow_ratio is 0"},
		{"slow polls", steps("{setWeight: 1}, {analysis: {metrics: [{name: staleness-p95}]}}"), func(s *Site) { s.PollInterval = time.Minute },
			"staleness-p95 in spec.steps[1] may be at most 10 s, and clients poll once in 1m (poll.interval)"},
		{"short streams", steps("{setWeight: 1}, {analysis: {metrics: [{name: legacy-reconnect-rate}]}}"), func(s *Site) { s.OldPageDuration = 25 * time.Second },
			"legacy-reconnect-rate in spec.steps[1] may be at most 30/h, and compat.old_page_duration 25s alone makes 144"},
		{"nobody polls", steps("{analysis: {metrics: [{name: poll-success-ratio}]}}"), nil,
			"poll-success-ratio in spec.steps[0] has no data then: it needs users on poll; onNoData is inconclusive, so the step never ends"},
		{"nobody polls, fails", steps("{analysis: {metrics: [{name: poll-success-ratio, onNoData: fail}]}}"), nil,
			"poll-success-ratio in spec.steps[0] has no data then: it needs users on poll; onNoData is fail, so it fails"},
		{"nobody polls, passes", steps("{analysis: {metrics: [{name: poll-success-ratio, onNoData: pass}]}}"), nil, ""},
		{"somebody polls", steps("{analysis: {metrics: [{name: poll-success-ratio}]}}"), func(s *Site) { s.Poll = 1 }, ""},
		{"no shadow under the bridge", steps("{setStream: bridge}, {analysis: {metrics: [{name: shadow-missed}]}}"), nil,
			"shadow-missed in spec.steps[1] has no data then: it needs users on the app's own stream; onNoData is inconclusive, so the step never ends"},
		{"no cohort left", steps("{setWeight: 1}" + checked + ", {setWeight: 100}, {analysis: {metrics: [{name: cohort-staleness-p95}]}}"), nil,
			"cohort-staleness-p95 in spec.steps[3] has no data then: it needs users on poll and users on a stream; onNoData is inconclusive, so the step never ends"},
		{"beside the steps, before anybody polls", "spec: {steps: [{pause: {}}, {pause: {}}, {setWeight: 10}], analysis: {metrics: [{name: staleness-p95}]}}\n", nil,
			"staleness-p95 in spec.analysis has no data during spec.steps[0]: it needs users on poll; onNoData is inconclusive, so the step never ends"},
		{"beside the steps, weight first", "spec: {steps: [{setStream: bridge}, {setWeight: 10}, {pause: {}}], analysis: {metrics: [{name: staleness-p95}]}}\n", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := goodSite()
			if c.site != nil {
				c.site(&site)
			}
			if got := strings.Join(mustParse(t, c.body).Advice(site), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
