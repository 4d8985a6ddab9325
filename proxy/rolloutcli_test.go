package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/rollout"
	"sluice/rollout/control"
)

// operated is a gateway as a process would run it, and what its operator has: the
// environment, with the address of its admin listener.
type operated struct {
	*program
	t       *testing.T
	environ []string
	admin   string
	flags   string
}

func operate(t *testing.T, steps string) *operated {
	t.Helper()
	o := &operated{t: t, flags: write(t, "flags.json", fmt.Sprintf(peopleFlags, "ENABLED"))}
	spec := write(t, "rollout.yaml", rolloutHead+"metadata: {name: widgets}\nspec: {steps: ["+steps+"]}\n")
	o.environ = []string{"SLUICE_AUTH_KEY=" + testKey, "SLUICE_ROLLOUT_SPEC=" + spec, "SLUICE_ROLLOUT_FLAGS=" + o.flags, "SLUICE_ADMIN_TOKEN=" + adminToken, "USER=ann"}
	o.program = launch(t, slices.Concat(o.environ, anyPorts()), "serve")
	_, o.admin = o.started()
	o.environ = append(o.environ, "SLUICE_ADMIN_LISTEN="+strings.TrimPrefix(o.admin, "http://"))
	return o
}

// sluice runs a command of the operator's, which must succeed.
func (o *operated) sluice(args ...string) (stdout string) {
	o.t.Helper()
	status, stdout, stderr := execute(o.t, o.environ, append([]string{"rollout"}, args...)...)
	if status != 0 || stderr != "" {
		o.t.Fatalf("%v: %d %s%s", args, status, stdout, stderr)
	}
	return stdout
}

func (o *operated) waitFor(text string) (status string) {
	o.t.Helper()
	servertest.Eventually(o.t, text, func() bool { status = o.sluice("status"); return strings.Contains(status, text) })
	return status
}

// The operator's day: look, promote, abort, look why, retry.
func TestTheOperatorsDay(t *testing.T) {
	t.Parallel()
	o := operate(t, "{setWeight: 30}, {pause: {}}, {setWeight: 60}, {pause: {duration: 1h}}")
	status := o.waitFor("widgets: progressing at step 1 of 3, 30 % on poll, stream upstream")
	for _, want := range []string{"Waiting   for promote\n", "  ✓ 0   setWeight 30\n  > 1   pause until promoted\n    2   setWeight 60\n", "1 gateway; this one, ", ", leads.\n", "weight 0 -> 30  by controller: step 0"} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if got := o.sluice("promote", "--reason", "looks good"); !strings.HasPrefix(got, "widgets: progressing at step 2 of 3, 30 % on poll") {
		t.Error(got)
	}
	status = o.waitFor("Waiting   for time to pass: another ")
	if !strings.Contains(status, "by ann: promote: looks good") {
		t.Error(status)
	}
	if got := o.sluice("pause"); !strings.HasPrefix(got, "widgets: paused at step 3 of 3, 60 % on poll") {
		t.Error(got)
	}
	if got := o.sluice("resume"); !strings.HasPrefix(got, "widgets: progressing") {
		t.Error(got)
	}
	if got := o.sluice("abort", "--reason", "too slow"); !strings.HasPrefix(got, "widgets: aborted, 0 % on poll") {
		t.Error(got)
	}
	if status = o.sluice("status"); !strings.Contains(status, "Why       abort: too slow\n") || !strings.Contains(status, " by ann: abort: too slow\n") || !strings.Contains(status, "\nAborted   ") {
		t.Error(status)
	}
	if got := o.sluice("retry"); !strings.HasPrefix(got, "widgets: progressing at step 0 of 3") {
		t.Error(got)
	}
	o.waitFor("at step 1")
	if got := o.sluice("promote", "--full"); !strings.HasPrefix(got, "widgets: completed, 60 % on poll") {
		t.Error(got)
	}
	o.audited(t)
}

// audited wants each change as a line of JSON in the log.
func (o *operated) audited(t *testing.T) {
	var weights, actors []string
	for line := range strings.Lines(o.stderr.String()) {
		var l struct {
			Msg   string
			Entry *control.Entry
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if l.Msg != "rollout" || l.Entry == nil {
			continue
		}
		e := *l.Entry
		if e.At.IsZero() || e.Version == 0 || e.Cause == "" || e.Trigger == "" {
			t.Errorf("an entry that says too little: %+v", e)
		}
		if e.Change == "weight" {
			weights, actors = append(weights, e.From+">"+e.To), append(actors, e.Actor)
		}
	}
	if want := []string{"0>30", "30>60", "60>0", "0>30", "30>60"}; !slices.Equal(weights, want) {
		t.Errorf("weights %v", weights)
	}
	if want := []string{"controller", "controller", "ann", "controller", "ann"}; !slices.Equal(actors, want) {
		t.Errorf("actors %v", actors)
	}
}

// Scripts get JSON, and commands that are too late are told so.
func TestStatusForScripts(t *testing.T) {
	t.Parallel()
	o := operate(t, "{setWeight: 30}, {pause: {}}")
	o.waitFor("30 % on poll")
	var s rolloutStatus
	if err := json.Unmarshal([]byte(o.sluice("status", "--output", "json")), &s); err != nil || s.Name != "widgets" || s.Weight != 30 || len(s.Steps) != 2 || len(s.Audit) == 0 {
		t.Fatalf("%v %+v", err, s)
	}
	o.sluice("pause", "--version", fmt.Sprint(s.Version))
	status, stdout, stderr := execute(t, o.environ, "rollout", "abort", "--version", fmt.Sprint(s.Version))
	if status != 1 || stdout != "" || !strings.HasPrefix(stderr, fmt.Sprintf("sluice: the rollout has changed since version %d: phase progressing -> paused by ann (pause); it is at version ", s.Version)) {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
}

// Watching shows it again and again, outlives the gateway, and ends without a word.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	o := operate(t, "{setWeight: 30}, {pause: {}}")
	o.waitFor("30 % on poll")
	w := launch(t, o.environ, "rollout", "status", "--watch")
	servertest.Eventually(t, "two pictures", func() bool { return strings.Count(w.stdout.String(), clearScreen+"widgets: progressing") >= 2 })
	if status := o.stopped(); status != 0 {
		t.Errorf("the gateway ended with %d", status)
	}
	servertest.Eventually(t, "the trouble", func() bool { return strings.Contains(w.stdout.String(), "is a gateway running there?") })
	if status := w.stopped(); status != 0 || w.stderr.String() != "" {
		t.Errorf("%d %s", status, w.stderr.String())
	}
	scripted := launch(t, o.environ, "rollout", "status", "--watch", "--output", "json")
	servertest.Eventually(t, "the trouble as JSON", func() bool {
		var trouble struct{ Error string }
		return json.NewDecoder(strings.NewReader(scripted.stdout.String())).Decode(&trouble) == nil && strings.Contains(trouble.Error, "is a gateway running there?")
	})
}

// Who reads the exported file decides as the gateway does.
func TestExport(t *testing.T) {
	t.Parallel()
	o := operate(t, "{setWeight: 30}, {setStream: bridge}, {pause: {}}")
	o.waitFor("stream bridge")
	printed := o.sluice("export")
	file := filepath.Join(t.TempDir(), "effective.json")
	if said := o.sluice("export", "--to", file); said != "" {
		t.Errorf("it said %s", said)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != printed {
		t.Errorf("%v %s", err, text)
	}
	flags, err := rollout.Open(file, rollout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer flags.Close()
	public := "http://" + strings.TrimPrefix(o.public(), "http://")
	polling := 0
	for _, user := range append([]string{"polly", "sid"}, names(40)...) {
		said := fetch(t, public+"/_sluice/config", user)
		want := flags.Transport(t.Context(), user)
		if !strings.Contains(said.body, fmt.Sprintf(`"transport":%q`, want)) {
			t.Errorf("%s: the gateway says %s, the file %s", user, said.body, want)
		}
		if want == rollout.Poll {
			polling++
		}
		if got := flags.Stream(t.Context(), user); got != rollout.Bridge {
			t.Errorf("%s: stream %s", user, got)
		}
	}
	if polling < 4 || polling > 26 {
		t.Errorf("%d of 42 poll", polling)
	}
}

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("user-", i))
	}
	return all
}

// public is where the gateway serves users.
func (o *operated) public() string {
	public, _ := o.started()
	return public
}

// What is wrong is said in one line, on standard error.
func TestRolloutCommandsThatFail(t *testing.T) {
	t.Parallel()
	o := operate(t, "{setWeight: 30}, {pause: {}}")
	o.waitFor("30 % on poll")
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer stranger.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	plain := launch(t, anyPorts(), "serve")
	_, without := plain.started()
	env := func(name, value string) []string {
		rest := slices.DeleteFunc(slices.Clone(o.environ), func(v string) bool { return strings.HasPrefix(v, name+"=") })
		return append(rest, name+"="+value)
	}
	for name, c := range map[string]struct {
		environ []string
		args    string
		want    string
	}{
		"no gateway there":        {o.environ, "abort --admin http://127.0.0.1:1", "connection refused; is a gateway running there? --admin names another"},
		"no gateway to look at":   {o.environ, "status --admin 127.0.0.1:1", "connection refused; is a gateway running there?"},
		"no token":                {env("SLUICE_ADMIN_TOKEN", ""), "abort", "the admin token is missing or wrong; it comes from admin.token or admin.token_file of the configuration"},
		"a wrong token":           {env("SLUICE_ADMIN_TOKEN", "wrong"), "pause", "the admin token is missing or wrong; it comes from admin.token"},
		"a gateway without token": {o.environ, "abort --admin " + without, "admin.token is not set, so nothing can be changed here"},
		"a gateway without spec":  {o.environ, "status --admin " + without, "rollout.spec is not set, so there is no rollout here"},
		"something else there":    {o.environ, "status --admin " + stranger.URL, stranger.URL + " does not answer like a gateway"},
		"nothing of ours there":   {o.environ, "status --admin " + gone.URL, gone.URL + " answers 404 Not Found"},
		"not an address":          {o.environ, "status --admin http://:x:y", "--admin: "},
		"not its time":            {o.environ, "retry", "retry is for a rollout that was aborted; this one is progressing: waiting for promote"},
		"no flag file to export":  {env("SLUICE_ROLLOUT_FLAGS", ""), "export", "rollout.flags: is empty; name the configuration with --config"},
		"nowhere to export to":    {o.environ, "export --to /none/flags.json", "/none/flags.json"},
	} {
		status, stdout, stderr := execute(t, c.environ, append([]string{"rollout"}, strings.Fields(c.args)...)...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "sluice: ") || !strings.Contains(stderr, c.want) || strings.Contains(stderr, adminToken) {
			t.Errorf("%s: %d %s%s, want %s", name, status, stdout, stderr, c.want)
		}
	}
	if status, _, _ := execute(t, o.environ, "rollout", "abort", "--full"); status != 2 {
		t.Errorf("abort --full: %d", status)
	}
	if !strings.Contains(o.sluice("status"), "30 % on poll") {
		t.Error("something was obeyed")
	}
}

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{":8081": "127.0.0.1:8081", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "10.0.0.1:8081": "10.0.0.1:8081", "localhost:1": "localhost:1", "[::1]:1": "[::1]:1"} {
		if got := reachable(listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}

// What the terminal shows of checks, deadlines and aborts.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	at := func(d time.Duration) *time.Time { return later(now, d) }
	value := 12.3456
	s := rolloutStatus{
		Name: "widgets", Version: 7, Phase: control.Progressing, Step: 1, Weight: 10, Stream: "bridge", Reason: "waiting for staleness-p95",
		Since: at(-time.Hour), StepBegan: at(-time.Minute), Deadline: at(9 * time.Minute), Steps: []string{"setWeight 10", "analysis of staleness-p95"},
		Checks: []checkStatus{
			{Name: "staleness-p95", Value: &value, Limit: "at most 10 s", Samples: 30, MinSamples: 20, Passed: 1, Count: 5, Failed: 1, FailureLimit: 2, Next: at(20 * time.Second), Note: "outside its limit; a dry run passes"},
			{Name: "slowness", Background: true, Limit: "at most 1"},
		},
		LastAbort: &control.Entry{At: *at(-2 * time.Hour), Actor: "controller", Cause: "step 1: slowness failed", Check: "slowness", Value: &value, Threshold: "at most 1"},
		Disabled:  []string{"legacy-stream"}, OtherSpec: true, Frozen: "Redis is gone", Replica: "a", Replicas: 3,
	}
	text := s.text(now)
	for _, want := range []string{
		"widgets: progressing at step 1 of 1, 10 % on poll, stream bridge (version 7)\n",
		"Waiting   for staleness-p95\n", "Since     2026-01-02 02:04:05 (1h ago); the step for 1m, its deadline in 9m\n",
		"FROZEN    the last state stays in force: Redis is gone\n", "DISABLED  legacy-stream, in the flag file", "SPEC      this gateway has another spec",
		"Aborted   2026-01-02 01:04:05 by controller: step 1: slowness failed (slowness was 12.35, want at most 1)\n",
		"12.35  at most 10 s  30 of 20  1 of 5  1, 2 allowed  in 20s  outside its limit; a dry run passes\n",
		"slowness (all along)  -", "3 gateways; this one, a, follows.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	paused := rolloutStatus{Phase: control.Progressing, Reason: control.ForTime, StepEnds: at(time.Minute)}
	if text := paused.text(now); !strings.Contains(text, "Waiting   for time to pass: another 1m\n") {
		t.Error(text)
	}
	paused.Reason = "waiting for a flag file that can be read"
	if text := paused.text(now); !strings.Contains(text, "Waiting   for a flag file that can be read\n") {
		t.Error(text)
	}
	if text := (rolloutStatus{Frozen: "Redis is gone"}).text(now); !strings.Contains(text, "FROZEN    the flag file alone is in force, until it is known where the rollout is: Redis is gone\n") {
		t.Error(text)
	}
	aborted := rolloutStatus{Phase: control.Aborted, Reason: "abort", RetryFrom: at(time.Minute)}
	if text := aborted.text(now); !strings.Contains(text, "rollout: aborted, 0 % on poll") || !strings.Contains(text, "Why       abort; retry is possible in 1m\n") {
		t.Error(text)
	}
}
