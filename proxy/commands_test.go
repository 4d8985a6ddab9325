package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/proxy/config"
	"sluice/rollout/control"
)

func TestCommandsNeedTheToken(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"))
	before := r.waitForWeight(30)
	for _, authorization := range []string{"", "Bearer", "Bearer wrong", "Basic " + adminToken, adminToken, "Bearer " + adminToken + "x"} {
		for _, verb := range []string{"abort", "no-such-verb"} {
			if answer := r.post(verb, "", authorization); answer.status != http.StatusUnauthorized || answer.detail() != "the admin token is missing or wrong" {
				t.Errorf("%s with %q: %d %s", verb, authorization, answer.status, answer.body)
			}
		}
	}
	if after := r.status(); after.Version != before.Version {
		t.Errorf("it was obeyed: %+v", after)
	}
	r.command("abort", "")
}

// Without a token nobody can change anything, and everybody can look.
func TestCommandsWithoutATokenConfigured(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"), func(c *config.Config) { c.Admin.Token = config.NewSecret("") })
	r.waitForWeight(30)
	for _, authorization := range []string{"", "Bearer ", "Bearer " + adminToken} {
		if answer := r.post("abort", "", authorization); answer.status != http.StatusForbidden || !strings.HasPrefix(answer.detail(), "admin.token is not set") {
			t.Errorf("%q: %d %s", authorization, answer.status, answer.body)
		}
	}
	if s := r.status(); s.Weight != 30 || s.Phase != control.Progressing {
		t.Errorf("%+v", s)
	}
}

func TestCommandsThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"))
	before := r.waitForWeight(30)
	for _, c := range []struct {
		verb, body string
		status     int
		want       string
	}{
		{"abort", "now", 422, `want nothing, or a JSON object such as {"actor":"ann"`},
		{"abort", `["ann"]`, 422, "want nothing, or a JSON object"},
		{"abort", `{"weight":0}`, 422, `unknown field "weight"; want nothing`},
		{"abort", `{"version":-1}`, 422, "version"},
		{"abort", `{} {}`, 422, "there is more behind the object"},
		{"abort", `{"cause":"` + strings.Repeat("x", 501) + `"}`, 422, "actor, cause: longer than 500 bytes"},
		{"abort", `{"actor":"` + strings.Repeat("x", 5000) + `"}`, 422, "too large"},
		{"abort", `{"full":true}`, 422, "full, force: are for promote, and this is abort"},
		{"retry", `{"force":true}`, 422, "full, force: are for promote, and this is retry"},
		{"undo", ``, 404, "there is no such command; want one of [promote abort retry pause resume]"},
		{"retry", ``, 409, "retry is for a rollout that was aborted; this one is progressing"},
		{"resume", ``, 409, "resume is for a rollout that is paused; this one is progressing"},
	} {
		answer := r.post(c.verb, c.body, "Bearer "+adminToken)
		if answer.status != c.status || !strings.Contains(answer.detail(), c.want) || answer.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %.40s: %d %s", c.verb, c.body, answer.status, answer.body)
		}
	}
	if after := r.status(); after.Version != before.Version {
		t.Errorf("something was obeyed: %+v", after)
	}
	if answer := r.admin("/rollout/abort"); answer.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", answer.status)
	}
}

func TestNoRollout(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *config.Config) { c.Admin.Token = config.NewSecret(adminToken) })
	for _, answer := range []reply{r.admin("/rollout"), r.post("abort", "", "Bearer "+adminToken)} {
		if answer.status != http.StatusNotFound || answer.detail() != "rollout.spec is not set, so there is no rollout here" {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
}

// Who acts on what is not so any more is told what has changed.
func TestACommandThatIsTooLate(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {}}]"))
	seen := r.waitForWeight(30).Version
	r.command("promote", `{"actor":"bob","cause":"looks good"}`)
	now := r.waitForWeight(60).Version
	answer := r.post("pause", fmt.Sprintf(`{"actor":"ann","version":%d}`, seen), "Bearer "+adminToken)
	for _, want := range []string{fmt.Sprintf("the rollout has changed since version %d", seen), "step 1 -> 2 by bob (promote: looks good)", "weight 30 -> 60 by controller", fmt.Sprintf("it is at version %d now", now)} {
		if answer.status != http.StatusConflict || !strings.Contains(answer.detail(), want) {
			t.Errorf("%d %s, want %s", answer.status, answer.body, want)
		}
	}
	if answer := r.post("pause", fmt.Sprintf(`{"version":%d}`, now+5), "Bearer "+adminToken); answer.status != http.StatusConflict || !strings.Contains(answer.detail(), "does not exist") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if s := r.command("pause", fmt.Sprintf(`{"version":%d}`, now)); s.Phase != control.Paused {
		t.Errorf("%+v", s)
	}
}

// Each verb, and who asked for it and why, in one line.
func TestVerbs(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {}}, {setWeight: 100}, {setStream: bridge}, {pause: {}}, {setStream: retired}]"))
	r.waitForWeight(30)
	for _, c := range []struct {
		verb, body string
		phase      control.Phase
		weight     int // at last
		cause      string
	}{
		{"pause", `{"actor":"ann","cause":"lunch\n \u001b break\u0007"}`, control.Paused, 30, "pause: lunch break"},
		{"resume", `{"actor":"ann"}`, control.Progressing, 30, "resume"},
		{"promote", `null`, control.Progressing, 60, "promote"},
		{"abort", ``, control.Aborted, 0, "abort"},
		{"retry", `{}`, control.Progressing, 30, "retry"},
		{"promote", `{"full":true,"cause":"now"}`, control.Progressing, 100, "promote: now"},
	} {
		if s := r.command(c.verb, c.body); s.Phase != c.phase || s.Audit[len(s.Audit)-1].Cause != c.cause {
			t.Errorf("%s: %s, %+v", c.verb, s.Phase, s.Audit[len(s.Audit)-1])
		}
		r.waitForWeight(c.weight)
	}
	if s := r.status(); s.Stream != "bridge" || s.Steps[s.Step] != "setStream retired" {
		t.Errorf("%+v", s)
	}
	if s := r.command("promote", `{"force":true,"actor":"ann"}`); s.Audit[len(s.Audit)-1].Change != "gate" {
		t.Errorf("%+v", s.Audit)
	}
	r.waitForPhase(control.Completed)
	if status := r.get("bob", "/api/stream").status; status != http.StatusNoContent {
		t.Errorf("the retired stream: %d", status)
	}
	if s := r.command("abort", ""); s.Stream != "bridge" || s.Weight != 0 {
		t.Errorf("%+v", s)
	}
}
