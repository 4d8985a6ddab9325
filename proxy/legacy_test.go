package proxy

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// ask opens a stream and leaves at once.
func (r *rig) ask(user, target string, headers ...string) {
	r.t.Helper()
	ctx, leave := context.WithCancel(r.t.Context())
	defer leave()
	r.open(ctx, user, target, headers...).Body.Close()
}

// Who reads the old stream counts, on the app's as on the bridge, and our own
// client does not. What tells them apart is the place in the query: browsers send
// Last-Event-ID by themselves.
func TestLegacyClientsAreCounted(t *testing.T) {
	app := httptest.NewServer(legacyApp(nil))
	t.Cleanup(app.Close)
	for stream, counted := range map[string]bool{"bridge": true, "upstream": true, "retired": false} {
		t.Run(stream, func(t *testing.T) {
			r := newRig(t, withFlags(t, "sse", stream), func(c *config.Config) { c.Upstream.URL = app.URL })
			place := "0"
			r.ask("", "/api/stream")
			r.ask("alice", "/api/stream?last_event_id="+place)
			r.ask("alice", "/api/stream?last_event_id="+place, "Last-Event-ID: "+place) // its EventSource reconnects
			r.get("alice", "/api/notifications", "Sluice-Client: 0.1.0")
			if !r.counts("compat_legacy_clients 0") {
				t.Error("our own client counts")
			}
			for _, headers := range [][]string{nil, nil, {"Last-Event-ID: " + place}} { // twice the old page, once a plain one
				r.ask("alice", "/api/stream", headers...)
			}
			r.ask("bob", "/api/stream?last_event_id=an-id-of-the-app")
			r.ask("carol", "/api/stream?lastEventId="+place) // as polyfills do
			if want := map[bool]int{true: 3}[counted]; !r.counts(fmt.Sprintf("compat_legacy_clients %d", want)) {
				t.Errorf("want %d: %s", want, r.scrape())
			}
		})
	}
}

// A gateway that starts knows of those who were there before, once Redis has said
// so; a Redis that is down makes their number unknown.
func TestLegacyClientsOutliveAGateway(t *testing.T) {
	server := servertest.StartRedis(t)
	shared := func(c *config.Config) { c.Redis.URL = config.NewSecret(server.URL) }
	first := newRig(t, withFlags(t, "sse", "bridge"), shared)
	first.ask("alice", "/api/stream")
	if !first.counts("compat_legacy_clients NaN") {
		t.Error("known before Redis was asked")
	}
	first.watch()
	second := newRig(t, withFlags(t, "sse", "bridge"), shared)
	servertest.Eventually(t, "the first gateway knows", func() bool { return first.counts("compat_legacy_clients 1") })
	second.watch()
	servertest.Eventually(t, "the second gateway knows", func() bool { return second.counts("compat_legacy_clients 1") })

	server.Kill()
	third := newRig(t, shared)
	third.watch()
	servertest.Eventually(t, "it is said that it is not known", func() bool {
		return third.logs.FilterMessage("it is not known how many users are still on the old stream").Len() == 1
	})
	if !third.counts("compat_legacy_clients NaN") {
		t.Error("Redis is down")
	}
}

func TestFarewellIsConfigured(t *testing.T) {
	for _, on := range []bool{false, true} {
		r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) { c.Compat.SayFarewell = on })
		r.insert("alice", time.Minute, "a")
		next := r.openStream("alice")
		next(`"id":"a"`)
		r.insert("alice", 0, "b")
		if told := strings.Contains(next(`"id":"b"`), `"text":"Reload this page to keep live updates"`); told != on {
			t.Errorf("%t: told is %t", on, told)
		}
	}
}

// A rollout that waits for the last old pages asks them to reload, and no other does.
func TestARetirementThatWaitsSaysFarewell(t *testing.T) {
	t.Parallel()
	r := rolloutRig(t, withRollout(t, "steps: [{setStream: bridge}, {setWeight: 100}, {pause: {}}, {setStream: retired}]"), stateIn(t),
		func(c *config.Config) { c.Compat.Heartbeat = 100 * time.Millisecond })
	r.waitFor("the pause", func(s rolloutStatus) bool { return s.Step == 2 })
	r.insert("old", 0, "a")
	asks := func() bool {
		next := r.openStream("old", "User-Agent: "+time.Now().String())
		next(`"id":"a"`)
		return strings.Contains(next(": heartbeat"), r.gateway.config.Compat.Farewell)
	}
	if asks() {
		t.Error("it asks before")
	}
	r.command("promote", "")
	s := r.waitFor("old pages are waited for", func(s rolloutStatus) bool { return strings.Contains(s.Reason, "users were") })
	if s.Deadline != nil || !asks() {
		t.Errorf("it does not ask: %+v", s)
	}
	reload := func(change func(*config.Config)) {
		next := *r.gateway.live.Load()
		change(&next)
		r.gateway.apply(next)
	}
	reload(func(c *config.Config) { c.Poll.Interval++ })
	if !asks() {
		t.Error("a reload of something else has ended it")
	}
	r.command("abort", "")
	if asks() {
		t.Error("it asks after")
	}
	reload(func(c *config.Config) { c.Compat.SayFarewell = true })
	r.command("retry", "")
	if !asks() {
		t.Error("the rollout's next change has ended what the configuration says")
	}
}
