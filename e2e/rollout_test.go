package e2e

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// fleetSpec goes from nobody to everybody in half a minute, with short looks.
const fleetSpec = `apiVersion: sluice/v1alpha1
kind: Rollout
metadata: {name: fleet}
spec:
  steps:
    - setStream: bridge
    - setWeight: 1
    - pause: {duration: 2s}
    - setWeight: 10
    - analysis:
        metrics:
          - {name: staleness-p95, thresholdRange: {max: 7.5}, interval: 2s, count: 6, failureLimit: 1, minSamples: 3}
          - {name: poll-success-ratio, thresholdRange: {min: 0.95}, interval: 3s, count: 2, minSamples: 10}
          - {name: answers, source: prometheus, interval: 2s, count: 3, thresholdRange: {min: 1},
             query: 'sum(rate(sluice_polls_total{client="sluice",result=~"items|empty"}[10s]))'}
    - setWeight: 50
    - analysis: {metrics: [{name: poll-success-ratio, interval: 3s, count: 1, thresholdRange: {min: 0.95}, minSamples: 50}]}
    - setWeight: 100
    - pause: {duration: 2s}
  analysis:
    startingStep: 3
    metrics:
      - {name: staleness-p95, thresholdRange: {max: 7.5}, interval: 2s, failureLimit: 1, minSamples: 3, onNoData: pass}
      - {name: poll-success-ratio, thresholdRange: {min: 0.95}, interval: 3s, minSamples: 10, onNoData: pass}
      - {name: slowness, source: prometheus, interval: 1s, failureLimit: 2, thresholdRange: {max: 1}, onNoData: pass,
         query: 'histogram_quantile(0.9, sum by (le) (rate(sluice_poll_duration_seconds_bucket{client="sluice"}[5s])))'}
      - {name: flag-files, source: prometheus, interval: 2s, thresholdRange: {min: 1}, onNoData: pass,
         query: 'min(sluice_flag_config_last_reload_successful)'}
  prometheus: {address: %s}
  rollback: {toWeight: 0}
`

const (
	newPages, oldPages = 240, 40
	// late is what the spec takes for stale.
	late = 7500 * time.Millisecond
)

// A rollout moves by itself, over the death of its leader; and by itself it takes
// everybody back when something is wrong at 10 %. Whatever happens, no page loses an
// item.
func TestRollout(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleetSpec)
	a := f.gather(newPages, oldPages, "pinned-poll", "pinned-sse")

	run := func(name string, part func()) {
		t.Run(name, func(t *testing.T) {
			f.t, a.t = t, t
			part()
		})
		if t.Failed() {
			t.FailNow() // what follows begins where this should have ended
		}
	}
	run("by itself to 100 %", func() { f.byItself(a) })
	run("abort by hand", func() { f.abortByHand(a) })
	good := fmt.Sprintf(fleetFlags, "ENABLED")
	for end := time.Now().Add(soak(t)); ; {
		for _, c := range []trouble{
			{"a flag file that cannot be read", []string{"flag-files"}, func() { f.writeFlags(good[:len(good)/2]) }, func() { f.writeFlags(good) }},
			{"a slow backend", []string{"slowness", "poll-success-ratio"}, func() { f.app.set(fault{slow: 1200 * time.Millisecond}) }, f.app.heal},
			{"a store that is lost", []string{"poll-success-ratio"}, func() { f.app.set(fault{lost: true}) }, f.app.heal},
			{"a store that hides items", []string{"staleness-p95"}, func() { f.app.set(fault{lag: 10 * time.Second}) }, f.app.heal},
		} {
			run(c.name, func() { f.spoiled(a, c) })
		}
		run("a flag that is switched off", func() { f.switchedOff(a) })
		if time.Now().After(end) {
			break
		}
	}
	shown, repeats, twice, errors := a.books()
	t.Logf("figure: %d pages were shown %d items | received %d repeats, showed %d twice, saw %d errors", len(a.tabs), shown, repeats, twice, errors)
	if twice > 0 {
		t.Errorf("%d items were shown twice", twice)
	}
}

// soak is how long things go wrong, one after the other; each does once at least.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SLUICE_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal("SLUICE_SOAK:", err)
	}
	return d
}

// trouble is what goes wrong, the checks one of which notices, and how it is put right.
type trouble struct {
	name        string
	checks      []string
	spoil, heal func()
}

// byItself waits for the whole way, and kills the leader in its middle.
func (f *fleet) byItself(a *audience) {
	t := f.t
	began := time.Now()
	at10 := f.waitForWeight(10)
	if len(a.on("poll")) > newPages/3 {
		t.Errorf("%d pages poll", len(a.on("poll")))
	}
	victim := f.leader()
	killed := time.Now()
	victim.process.Kill()
	successor := f.leader()
	took := time.Since(killed)
	if successor == victim {
		t.Fatal("the dead leads")
	}
	f.waitForWeight(100)
	f.start(victim)
	done := f.waitFor("the end", func(p position) bool { return p.Phase == "completed" })
	servertest.Eventually(t, "all poll", func() bool { return len(a.on("poll")) == newPages+1 })
	if p := a.on("sse"); len(p) != 1 || p[0].user != "pinned-sse" {
		t.Errorf("%d pages are on the stream", len(p))
	}
	servertest.Eventually(t, "who was dead is back and knows", func() bool {
		p, ok := victim.status()
		return ok && p.Version == done.Version && p.Weight == 100 && p.Replicas == 3
	})
	var weights []string
	for _, e := range done.Audit {
		if e.Change == "weight" {
			weights = append(weights, e.To)
		}
		if e.Actor != "controller" {
			t.Errorf("%s was asked for: %+v", e.Change, e)
		}
	}
	if want := []string{"1", "10", "50", "100"}; !slices.Equal(weights, want) {
		t.Errorf("weights %v", weights)
	}
	a.allShown()
	t.Logf("figure: %d pages to 100 %% by itself | %.0f s; its leader killed at 10 %% (version %d), another led after %.1f s", len(a.tabs), time.Since(began).Seconds(), at10.Version, took.Seconds())
}

// abortByHand measures from the command to the last page.
func (f *fleet) abortByHand(a *audience) {
	t := f.t
	polling := a.moved()
	asked := time.Now()
	f.command("abort")
	answered := time.Since(asked)
	f.everywhere(time.Second, func(p position) bool { return p.Phase == "aborted" && p.Weight == 0 })
	served := time.Since(asked)
	took := a.back(asked).Sub(asked)
	// A page polls once an interval, give or take a tenth.
	if limit := fleetInterval*11/10 + 3*time.Second; took > limit {
		t.Errorf("it took %s", took)
	}
	a.allShown()
	t.Logf("figure: abort at 100 %%, %d pages on poll | answered after %.2f s, in force on all gateways after %.2f s, the last page back after %.2f s (polls every %s)",
		len(polling), answered.Seconds(), served.Seconds(), took.Seconds(), fleetInterval)
}

// everywhere waits until all gateways say something of the rollout.
func (f *fleet) everywhere(limit time.Duration, holds func(position) bool) {
	f.t.Helper()
	servertest.Within(f.t, limit+2*time.Second, "all gateways know", func() bool {
		return !slices.ContainsFunc(f.gateways, func(g *member) bool { p, ok := g.status(); return !ok || !holds(p) })
	})
}

// rest is how long what the gateways counted takes to be seen by all of them, twice.
const rest = 4 * time.Second

// again begins after an abort, up to 10 %, and waits until pages poll: not so long
// that the step is almost over, or else it begins again.
func (f *fleet) again(a *audience) (polling []*tab) {
	f.t.Helper()
	for {
		f.waitFor("what was before is not counted any more", func(p position) bool { return p.Phase == "aborted" && time.Since(f.healed) > rest })
		f.command("retry")
		f.waitForWeight(10)
		servertest.Eventually(f.t, "pages poll", func() bool { return len(a.moved()) > newPages/25 })
		p := f.waitFor("a status", func(position) bool { return true })
		if i := slices.IndexFunc(p.Checks, func(c check) bool { return c.Name == "staleness-p95" && !c.Background }); i >= 0 && p.Checks[i].Passed <= 1 {
			return a.moved()
		}
		f.command("abort")
	}
}

// spoiled makes something go wrong at 10 %, and wants a check to notice and the
// rollout to go back by itself.
func (f *fleet) spoiled(a *audience, c trouble) {
	t := f.t
	defer c.heal()
	f.again(a)
	since := time.Now()
	c.spoil()
	p := f.waitFor("an abort", func(p position) bool { return p.Phase == "aborted" })
	abort, polling := lastAbort(p), a.moved()
	if abort.Actor != "controller" || abort.Trigger != "check" || !slices.Contains(c.checks, abort.Check) || abort.Value == nil || p.Weight != 0 {
		t.Fatalf("weight %d, %+v", p.Weight, abort)
	}
	if top := highest(p, since); top > 10 {
		t.Errorf("the weight rose to %d", top)
	}
	took := a.back(abort.At).Sub(abort.At) // while it is still wrong
	c.heal()
	f.healed = time.Now()
	a.allShown()
	t.Logf("figure: %s at 10 %% | detected after %.1f s by %s (%.3g, want %s); %d pages on poll, the last one back %.1f s later; %d of them waited longer than %s for an item",
		c.name, abort.At.Sub(since).Seconds(), abort.Check, *abort.Value, abort.Threshold, len(polling), took.Seconds(), a.waitedLonger(late, since, polling), late)
}

func lastAbort(p position) (last entry) {
	for _, e := range p.Audit {
		if e.Change == "phase" && e.To == "aborted" {
			last = e
		}
	}
	return last
}

// highest is the largest weight that was set since a time.
func highest(p position, since time.Time) (top int) {
	for _, e := range p.Audit {
		var weight int
		if e.Change == "weight" && e.At.After(since) {
			_, _ = fmt.Sscan(e.To, &weight)
			top = max(top, weight)
		}
	}
	return top
}

// switchedOff edits the flag file: everybody is back at once, and the rollout waits
// for a person.
func (f *fleet) switchedOff(a *audience) {
	t := f.t
	polling := f.again(a)
	edited := time.Now()
	f.writeFlags(fmt.Sprintf(fleetFlags, "DISABLED"))
	took := a.back(edited).Sub(edited)
	p := f.waitFor("a pause", func(p position) bool { return p.Phase == "paused" })
	if last := p.Audit[len(p.Audit)-1]; last.Trigger != "flag" || p.Weight != 10 {
		t.Errorf("weight %d, %+v", p.Weight, last)
	}
	servertest.Eventually(t, "who is named is back as well", func() bool { return len(a.on("poll")) == 0 })
	f.writeFlags(fmt.Sprintf(fleetFlags, "ENABLED"))
	f.command("abort")
	a.allShown()
	t.Logf("figure: %s at 10 %% | %d pages on poll, the last one back after %.2f s", "state: DISABLED in the flag file", len(polling), took.Seconds())
}
