package proxy

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"sluice/internal/servertest"
	"sluice/proxy/config"
	"sluice/rollout/control"
	"sluice/rollout/evidence"
)

// The weight is served, to all but those whom people have named.
func TestTheWeightIsServed(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {setStream: bridge}, {pause: {}}, {setWeight: 60}, {pause: {}}]"))
	r.waitForWeight(30)
	at30 := r.share()
	if at30 < 40 || at30 > 80 {
		t.Errorf("%d of 200 at 30 %%", at30)
	}
	r.waitFor("the bridge", func(s rolloutStatus) bool { return s.Stream == "bridge" })
	if header := r.open(t.Context(), "bob", "/api/stream").Header.Get("X-Accel-Buffering"); header != "no" {
		t.Error("the stream is not bridged")
	}
	r.command("promote", "")
	r.waitForWeight(60)
	if at60 := r.share(); at60 < 90 || at60 > 150 {
		t.Errorf("%d of 200 at 60 %%", at60)
	}
	named := func() string { return r.transport("polly") + " " + r.transport("sid") }
	if got := named(); got != "poll sse" {
		t.Errorf("who is named: %s", got)
	}
	r.command("abort", "")
	if got := r.share(); got != 0 || named() != "poll sse" {
		t.Errorf("after the abort %d poll; who is named: %s", got, named())
	}
}

// A flag that is switched off in the file is off at once, for those who are named
// too, and a person has to resume.
func TestADisabledFlag(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 100}, {pause: {}}]"))
	r.waitForWeight(100)
	edit := func(state string) {
		if err := os.WriteFile(r.gateway.config.Rollout.Flags, fmt.Appendf(nil, peopleFlags, state), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("DISABLED")
	servertest.Within(t, 5*time.Second, "everybody is back", func() bool { return r.share() == 0 })
	if got := r.transport("polly"); got != "sse" {
		t.Errorf("who is named: %s", got)
	}
	s := r.waitForPhase(control.Paused)
	if !slices.Equal(s.Disabled, []string{"notifications-transport"}) || !strings.Contains(s.Reason, "is disabled in the flag file; enable it and resume") || s.Weight != 100 {
		t.Errorf("%+v", s)
	}
	if answer := r.post("resume", "", "Bearer "+adminToken); answer.status != http.StatusConflict || !strings.Contains(answer.detail(), "enable it first") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	edit("ENABLED")
	servertest.Within(t, 5*time.Second, "everybody polls again", func() bool { return r.share() == 200 })
	if s := r.status(); s.Phase != control.Paused {
		t.Errorf("it resumed by itself: %+v", s)
	}
	if s := r.command("resume", ""); s.Phase != control.Progressing {
		t.Errorf("%+v", s)
	}
}

// While the flag file cannot be read nobody could switch a flag off: no step ends by
// itself, and all stay where they are.
func TestAFlagFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setWeight: 30}, {pause: {duration: 6s}}, {setWeight: 60}, {pause: {}}]"))
	r.waitForWeight(30)
	before := r.share()
	if err := os.WriteFile(r.gateway.config.Rollout.Flags, []byte(`{"flags": `), 0o600); err != nil {
		t.Fatal(err)
	}
	s := r.waitFor("the pause is long over", func(s rolloutStatus) bool { return time.Since(*s.StepBegan) > 8*time.Second })
	if s.Weight != 30 || r.share() != before || !strings.Contains(s.Reason, "waiting for a flag file that can be read: flag file "+r.gateway.config.Rollout.Flags+":1:") {
		t.Errorf("weight %d, %s", s.Weight, s.Reason)
	}
	if err := os.WriteFile(r.gateway.config.Rollout.Flags, fmt.Appendf(nil, peopleFlags, "ENABLED"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.waitForWeight(60)
}

// Without Redis a file keeps the state: a gateway that starts again goes on, and
// serves the weight from its first request on.
func TestTheStateFileOutlivesTheGateway(t *testing.T) {
	t.Parallel()
	state, spec := stateIn(t), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {}}]")
	first := newRig(t, state, spec)
	stop := first.watchUntil()
	first.waitForWeight(30)
	first.command("promote", `{"actor":"ann"}`)
	before := first.waitForWeight(60)
	stop()

	second := newRig(t, state, spec)
	after := second.status() // before it looks for the first time
	if after.Version != before.Version || after.Weight != 60 || second.share() < 90 {
		t.Errorf("version %d, weight %d; %d of 200 poll", after.Version, after.Weight, second.share())
	}
	if diff := cmp.Diff(before.Audit, after.Audit); diff != "" {
		t.Error(diff)
	}
	second.watch()
	second.command("abort", "")
}

func TestTheStateFileIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollout.state")
	if err := os.WriteFile(path, []byte(`{"version":3`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Auth.Key = config.NewSecret(testKey)
	withRollout(t, "steps: [{setWeight: 30}]")(&c)
	c.Rollout.State = path
	if _, err := New(c, zap.NewNop()); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "restore the file, or remove it to begin again") {
		t.Error(err)
	}
}

func TestARolloutNeedsAFlagFile(t *testing.T) {
	c := config.Default()
	c.Auth.Key = config.NewSecret(testKey)
	withRollout(t, "steps: [{setWeight: 30}]")(&c)
	c.Rollout.Flags = ""
	if _, err := New(c, zap.NewNop()); err == nil || !strings.HasPrefix(err.Error(), "rollout.spec: needs rollout.flags") {
		t.Error(err)
	}
}

// One of two gateways leads; a command to either is in force on both within a second.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	shared, spec := withRedis(servertest.StartRedis(t)), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]")
	a := rolloutRig(t, shared, spec)
	a.waitForWeight(30)
	b := rolloutRig(t, shared, spec)
	if b.status().Weight != 30 || b.share() != a.share() {
		t.Errorf("who comes later: %+v", b.status())
	}
	servertest.Eventually(t, "one leads, and both know of two", func() bool {
		x, y := a.status(), b.status()
		return x.Leader != y.Leader && x.Replicas == 2 && y.Replicas == 2
	})
	b.command("abort", `{"actor":"ann"}`)
	servertest.Within(t, 3*time.Second, "the other one has heard", func() bool { return a.share() == 0 && a.status().Phase == control.Aborted })
}

// A gateway that has another spec serves the rollout all the same, says so, and obeys
// nothing but an abort.
func TestAGatewayWithAnotherSpec(t *testing.T) {
	t.Parallel()
	shared := withRedis(servertest.StartRedis(t))
	a := rolloutRig(t, shared, withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"))
	a.waitFor("it leads", func(s rolloutStatus) bool { return s.Leader && s.Weight == 30 })
	b := rolloutRig(t, shared, withRollout(t, "steps: [{setWeight: 80}, {pause: {}}]"))
	if s := b.status(); !s.OtherSpec || s.Weight != 30 || b.share() != a.share() || !strings.Contains(s.text(time.Now()), "SPEC      this gateway has another spec than the rollout under way") {
		t.Errorf("%+v", s)
	}
	if s := a.status(); s.OtherSpec {
		t.Errorf("%+v", s)
	}
	if answer := b.post("promote", "", "Bearer "+adminToken); answer.status != http.StatusConflict || !strings.Contains(answer.detail(), "this gateway has another spec") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if s := b.command("abort", ""); s.Weight != 0 || s.Phase != control.Aborted {
		t.Errorf("%+v", s)
	}
}

// A Redis that is lost freezes the rollout: what was in force stays, commands are
// refused with the way out, and status says so.
func TestRedisIsLostInARollout(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t)
	r := rolloutRig(t, withRedis(server), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"))
	r.waitForWeight(30)
	before := r.share()
	server.Kill()
	s := r.waitFor("frozen", func(s rolloutStatus) bool { return s.Frozen != "" })
	if s.Weight != 30 || s.Phase != control.Progressing || s.Leader || r.share() != before {
		t.Errorf("%+v", s)
	}
	if text := s.text(time.Now()); !strings.Contains(text, "FROZEN    the last state stays in force: the state of the rollout in Redis: ") {
		t.Error(text)
	}
	if ready := r.admin("/readyz"); ready.status != http.StatusOK || !strings.Contains(ready.body, `"rollout":"frozen: `) {
		t.Errorf("%d %s", ready.status, ready.body)
	}
	answer := r.post("abort", "", "Bearer "+adminToken)
	if answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") != "1" || !strings.Contains(answer.detail(), `"state": "DISABLED" in the flag file takes everybody back`) {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	server.Start(t) // with nothing in it
	r.waitFor("it goes on", func(s rolloutStatus) bool { return s.Frozen == "" && s.Leader })
	if s := r.command("abort", ""); s.Weight != 0 || r.share() != 0 {
		t.Errorf("%+v", s)
	}
	for _, message := range []string{"rollout: frozen, the last state stays in force", "rollout: goes on", "rollout: Redis had lost the state and got it back"} {
		if n := r.logs.FilterMessage(message).Len(); n != 1 {
			t.Errorf("%s: logged %d times", message, n)
		}
	}
}

// A gateway that starts without its Redis follows the flag file, and says so; then it
// takes part.
func TestRedisIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t)
	server.Kill()
	r := rolloutRig(t, withRedis(server), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"))
	s := r.waitFor("frozen", func(s rolloutStatus) bool { return s.Frozen != "" })
	if s.Phase != "" || r.share() != 0 || r.transport("polly") != "poll" {
		t.Errorf("%+v, %d poll", s, r.share())
	}
	if body := r.admin("/rollout").body; strings.Contains(body, "null") {
		t.Error(body)
	}
	if got := s.headline(); got != "rollout: not begun, or not known" {
		t.Error(got)
	}
	if answer := r.post("abort", "", "Bearer "+adminToken); answer.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	server.Start(t)
	r.waitForWeight(30)
}

// A gateway that starts again without its Redis goes on where it was, and a Redis that
// comes back empty gets that.
func TestAGatewayStartsAgainWithoutRedis(t *testing.T) {
	t.Parallel()
	server, state := servertest.StartRedis(t), stateIn(t)
	shared, spec := withRedis(server), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {}}]")
	first := newRig(t, shared, spec, state)
	stop := first.watchUntil()
	first.waitForWeight(30)
	first.command("promote", "")
	before := first.waitForWeight(60)
	stop()
	server.Kill()

	second := newRig(t, shared, spec, state)
	if s := second.status(); s.Weight != 60 || s.Phase != control.Progressing || second.share() < 90 {
		t.Errorf("weight %d, %s; %d of 200 poll", s.Weight, s.Phase, second.share())
	}
	second.watch()
	second.waitFor("it says that it is frozen", func(s rolloutStatus) bool { return s.Frozen != "" })
	server.Start(t) // with nothing in it
	after := second.waitFor("it goes on", func(s rolloutStatus) bool { return s.Frozen == "" && s.Leader })
	if after.Weight != 60 || after.Version < before.Version || second.share() < 90 {
		t.Errorf("weight %d, version %d after %d", after.Weight, after.Version, before.Version)
	}
}

// A Redis that is emptied gets the state back, and nobody moves meanwhile.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	server := servertest.StartRedis(t)
	r := rolloutRig(t, withRedis(server), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {}}]"))
	r.waitForWeight(30)
	r.command("promote", "")
	before := r.waitForWeight(60)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "the state is back", func() bool {
		if r.share() < 90 {
			t.Fatal("users have moved")
		}
		return client.Exists(t.Context(), "{sluice:rollout}:state").Val() == 1
	})
	if s := r.status(); s.Version != before.Version || s.Weight != 60 {
		t.Errorf("%+v", s)
	}
}

// Polls that fail on one gateway are evidence for the one that leads.
func TestTheLeaderSeesWhatOthersCount(t *testing.T) {
	t.Parallel()
	shared := withRedis(servertest.StartRedis(t))
	spec := withRollout(t, "steps: [{setWeight: 100}, {analysis: {metrics: [{name: poll-success-ratio, interval: 3s, count: 100, minSamples: 5}]}}, {pause: {}}]")
	leader := rolloutRig(t, shared, spec)
	leader.waitFor("it leads", func(s rolloutStatus) bool { return s.Leader && s.Weight == 100 })
	other := rolloutRig(t, shared, spec)
	if _, err := other.db.Exec("ALTER TABLE notifications RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	s := leader.waitFor("an abort", func(s rolloutStatus) bool {
		leader.get("alice", "/api/notifications", "Sluice-Client: test")
		if status := other.get("alice", "/api/notifications", "Sluice-Client: test").status; status < 500 {
			t.Fatalf("the other one does not fail: %d", status)
		}
		return s.Phase == control.Aborted
	})
	if a := s.LastAbort; a == nil || a.Check != "poll-success-ratio" || a.Value == nil || a.Trigger != control.ByCheck || a.Threshold != "at least 0.999" {
		t.Errorf("%+v", a)
	}
	servertest.Eventually(t, "the other one goes back as well", func() bool { return other.share() == 0 })
}

// A gateway that has published nothing for a while is none any more.
func TestGatewaysThatAreSilent(t *testing.T) {
	if n := alive(map[string]evidence.Report{"a": {}, "b": {Age: silent}, "c": {Age: silent + time.Second}}); n != 2 {
		t.Errorf("%d gateways", n)
	}
}

// What a metric says moves with the rollout.
func TestRolloutMetrics(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, `steps: [{setWeight: 30}, {pause: {}}, {setStream: bridge},
		{analysis: {metrics: [{name: backend-rate, thresholdRange: {max: 1000}, interval: 3s, count: 100}]}}, {pause: {}}]`))
	wants := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			servertest.Eventually(t, line, func() bool { return r.counts(line) })
		}
	}
	wants(`rollout_analysis_value{flag="notifications-transport",metric="backend-rate"} NaN`,
		`rollout_target_ratio{flag="notifications-transport"} 0.3`, `rollout_target_ratio{flag="legacy-stream"} 0`,
		`rollout_step{flag="notifications-transport"} 1`, `rollout_step{flag="legacy-stream"} 1`,
		`rollout_transitions_total{cause="start",flag="notifications-transport",from="none",to="progressing"} 1`,
		`rollout_transitions_total{cause="check",flag="notifications-transport",from="progressing",to="aborted"} 0`)
	r.command("promote", "")
	wants(`rollout_target_ratio{flag="legacy-stream"} 1`, `rollout_transitions_total{cause="step",flag="legacy-stream",from="upstream",to="bridge"} 1`, `rollout_step{flag="legacy-stream"} 3`)
	servertest.Eventually(t, "the value of the check", func() bool {
		r.get("alice", "/api/notifications", "Sluice-Client: test")
		return !r.counts(`rollout_analysis_value{flag="notifications-transport",metric="backend-rate"} NaN`)
	})
	r.command("abort", "")
	wants(`rollout_target_ratio{flag="notifications-transport"} 0`, `rollout_target_ratio{flag="legacy-stream"} 1`,
		`rollout_transitions_total{cause="command",flag="notifications-transport",from="progressing",to="aborted"} 1`)
}

// A check that the step and the background both measure has one gauge: the step's.
func TestTheStepsMeasurementIsShown(t *testing.T) {
	r := newRig(t, withRollout(t, "steps: [{setWeight: 30}]"), stateIn(t))
	value := 0.25
	for range 30 { // maps have no order
		r.gateway.metrics.showRollout(control.State{Checks: map[string]control.Progress{"backend-rate": {Value: &value}, "+backend-rate": {}, "+slowness": {}}})
		if !r.counts(`rollout_analysis_value{flag="notifications-transport",metric="backend-rate"} 0.25`) || !r.counts(`rollout_analysis_value{flag="notifications-transport",metric="slowness"} NaN`) {
			t.Fatal(r.scrape())
		}
	}
}
