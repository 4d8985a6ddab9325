package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/rollout/spec"
)

const rolloutHead = "apiVersion: sluice/v1alpha1\nkind: Rollout\n"

// A flag file under which nobody polls, as on day one.
const dayOneFlags = `{"flags": {
  "notifications-transport": {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "sse",
    "targeting": {"fractional": [["poll", 0], ["sse", 100]]}},
  "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge"}, "defaultVariant": "upstream"}}}`

func TestPlan(t *testing.T) {
	rollout := write(t, "rollout.yaml", rolloutHead+"spec: {steps: [{setWeight: 40}, {pause: {}}]}\n")
	environ := []string{"SLUICE_ROLLOUT_SPEC=" + rollout, "SLUICE_ROLLOUT_FLAGS=" + write(t, "flags.json", dayOneFlags)}
	status, stdout, stderr := execute(t, environ, "rollout", "plan", "--users", "5000")
	for _, want := range []string{"At the start 0 % of 5,000 users are on poll; the stream is upstream.", "setWeight 40", "+2,000", "warning: spec.steps[0] is the first"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %s", want, stdout)
		}
	}
	if status != 0 || stderr != "" {
		t.Errorf("%d %s", status, stderr)
	}
	status, stdout, _ = execute(t, environ, "rollout", "plan", "--output", "json")
	var plan struct {
		Steps []struct {
			Weight  int
			OnPoll  *int   `json:"users_on_poll"`
			WaitFor string `json:"waits_for"`
		}
		Warnings []string
	}
	err := json.Unmarshal([]byte(stdout), &plan)
	if status != 0 || err != nil || len(plan.Steps) != 2 || plan.Steps[0].Weight != 40 || plan.Steps[0].OnPoll != nil || plan.Steps[1].WaitFor != "promotion" || len(plan.Warnings) != 1 {
		t.Errorf("%d %v %+v", status, err, plan)
	}
}

func TestPlanRefuses(t *testing.T) {
	bad := write(t, "rollout.yaml", rolloutHead+"spec:\n  steps:\n    - setWeight: 101\n    - setStream: off\n")
	good := write(t, "rollout.yaml", rolloutHead+"spec: {steps: [{pause: {}}]}\n")
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"no rollout file": {nil, "sluice: rollout.spec: is empty; set it to the rollout file, in the file or as SLUICE_ROLLOUT_SPEC\n"},
		"a bad one": {[]string{"SLUICE_ROLLOUT_SPEC=" + bad}, "sluice: " + bad + ":5:18: spec.steps[0].setWeight: 101 is not a whole number from 0 to 100\n" +
			"sluice: " + bad + ":6:18: spec.steps[1].setStream: must be upstream or bridge or retired\n"},
		"a flag file that is not there": {[]string{"SLUICE_ROLLOUT_SPEC=" + good, "SLUICE_ROLLOUT_FLAGS=/none/flags.json"}, "sluice: read flag file: open /none/flags.json: no such file or directory\n"},
	} {
		if status, stdout, stderr := execute(t, c.environ, "rollout", "plan"); status != 1 || stdout != "" || stderr != c.want {
			t.Errorf("%s: %d %s%s", name, status, stdout, stderr)
		}
	}
	if status, _, _ := execute(t, nil, "rollout", "plan", "--users", "-1"); status != 2 {
		t.Errorf("less than no users: %d", status)
	}
}

// What one must not do to a rollout, check hints at.
func TestCheckGivesAdvice(t *testing.T) {
	hasty := write(t, "rollout.yaml", rolloutHead+"spec: {steps: [{setWeight: 40}]}\n")
	_, stdout, _ := execute(t, []string{"SLUICE_ROLLOUT_SPEC=" + hasty, "SLUICE_UPSTREAM_URL=http://127.0.0.1:1"}, "check")
	if !strings.Contains(stdout, "rollout  ok, but rollout.flags is empty: everybody polls already") || !strings.Contains(stdout, "; spec.steps[0] is the first") {
		t.Error(stdout)
	}
}

// A check of the shadow has no data where nobody is in its sample.
func TestAdviceToSample(t *testing.T) {
	environ := []string{
		"SLUICE_ROLLOUT_SPEC=" + write(t, "rollout.yaml", rolloutHead+"spec: {steps: [{analysis: {metrics: [{name: shadow-missed}]}}]}\n"),
		"SLUICE_ROLLOUT_FLAGS=" + write(t, "flags.json", dayOneFlags), "SLUICE_UPSTREAM_URL=http://127.0.0.1:1",
	}
	const advice = "shadow-missed in spec.steps[0] never has data: rollout.shadow_ratio is 0"
	for ratio, advised := range map[string]bool{"0": true, "0.001": false} {
		for _, command := range [][]string{{"check"}, {"rollout", "plan"}} {
			_, stdout, _ := execute(t, append(environ, "SLUICE_ROLLOUT_SHADOW_RATIO="+ratio), command...)
			if strings.Contains(stdout, advice) != advised {
				t.Errorf("%v with %s: %s", command, ratio, stdout)
			}
		}
	}
}

func TestSchemaIsPrinted(t *testing.T) {
	if status, stdout, stderr := execute(t, nil, "rollout", "schema"); status != 0 || stdout != spec.Schema || stderr != "" {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
}
