package proxy

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/backend/tune"
	"sluice/proxy/config"
)

// value is what /metrics says of a series.
func (r *rig) value(series string) float64 {
	r.t.Helper()
	m := regexp.MustCompile(`\nsluice_` + regexp.QuoteMeta(series) + ` (\S+)\n`).FindStringSubmatch(r.scrape())
	if m == nil {
		r.t.Fatalf("no %s", series)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) wantValue(series string, want, within float64) {
	r.t.Helper()
	if got := r.value(series); math.Abs(got-want) > within {
		r.t.Errorf("%s: %.3f, want %.3f", series, got, want)
	}
}

// From polls to the recommendation.
func TestTheRecommendationIsLive(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Tune.StalenessTarget = 12 * time.Second })
	r.wantValue("poll_interval_recommended_seconds", (12-0.5)/(0.95*1.1), 0.02)
	begin := time.Now().Add(-100 * time.Second)
	r.gateway.tuning.window = tune.NewWindow(begin)
	for range 100 { // ten clients
		r.get("alice", "/api/notifications", "Sluice-Client: 0.1.0", "Sluice-Elapsed: 10")
		r.get("alice", "/api/notifications") // and somebody without a header, once a second
	}
	length := time.Since(begin).Seconds()
	r.wantValue("poll_active_clients", 1000/length, 0.1)
	r.wantValue("poll_interval_stretch_ratio", 2*0.95/(0.95*1.1), 0.1) // told 5 s, they wait 10
	r.wantValue("delivery_overhead_seconds", 0.5, 0.1)
	m := r.gateway.tuning.measured()
	if math.Abs(m.Unmoved-100/length) > 0.05 {
		t.Errorf("%.2f polls a second of others", m.Unmoved)
	}
	r.wantValue("poll_interval_recommended_seconds", (12-m.Overhead)/(m.Stretch*0.95*1.1), 0.05)
	next := r.gateway.config
	next.Tune.PollBudget = 100/length + 0.25
	r.gateway.apply(next)
	r.wantValue("poll_interval_recommended_seconds", m.Clients/0.25, 1)
}

// Items that reach a client which was there tell of the overhead; others do not.
func TestOnlyFreshItemsTellOfTheOverhead(t *testing.T) {
	r := newRig(t)
	for i := range 25 { // of each user only a few items count
		user := "user-" + strconv.Itoa(i)
		r.insert(user, 4*time.Second, "fresh-"+user)
		r.insert(user, time.Minute, "old-"+user)
		r.get(user, "/api/notifications", "Sluice-Elapsed: 6")
	}
	r.wantValue("delivery_overhead_seconds", 4.5-3, 0.8) // half of 6 s are the wait
}

// A client whose polls have become as rare as they may be is there all the same.
func TestRarePollsAreNoAbsence(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Poll.Paused, c.Poll.Ceiling = true, 20*time.Second })
	for elapsed, there := range map[string]bool{"88": true, "89": true, "90": false} {
		before := r.value(`poll_interval_observed_seconds_count{client="sluice"}`)
		r.get("alice", "/api/notifications", "Sluice-Client: 0.1.0", "Sluice-Elapsed: "+elapsed)
		if got := r.value(`poll_interval_observed_seconds_count{client="sluice"}`) > before; got != there {
			t.Errorf("%s s: %t", elapsed, got)
		}
	}
}

// Quantiles are exact at the edges, so that is where limits lie.
func TestLimitsLieOnEdges(t *testing.T) {
	r := newRig(t, func(c *config.Config) {
		c.Tune.StalenessTarget, c.Upstream.Timeout = 12*time.Second, 6*time.Second
	})
	text := r.scrape()
	for _, want := range []string{
		`delivery_staleness_seconds_bucket{transport="poll",le="12"}`, `delivery_staleness_seconds_bucket{transport="poll",le="10"}`,
		`source_request_duration_seconds_bucket{source="sqlite",le="6"}`, `source_request_duration_seconds_bucket{source="sqlite",le="1.5"}`,
		`poll_duration_seconds_bucket{client="sluice",le="6"}`,
	} {
		if !strings.Contains(text, "\nsluice_"+want+" ") {
			t.Errorf("no %s", want)
		}
	}
	if n := strings.Count(newRig(t).scrape(), `sluice_delivery_staleness_seconds_bucket{transport="poll",le="10"}`); n != 1 {
		t.Errorf("the edge at 10 s is there %d times", n)
	}
}
