package proxy

import (
	"net/http"
	"strconv"
	"time"

	"sluice/backend"
	"sluice/backend/tune"
)

// stalenessBuckets are in seconds. Limits that people set, such as the default of
// staleness-p95, lie on an edge, where a quantile is exact.
var stalenessBuckets = []float64{.25, .5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300}

// intervalBuckets are in seconds: from the shortest interval to beyond the usual ceiling.
var intervalBuckets = []float64{1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 300}

// rounding is how much older than the client's last success an item can look that
// was created after it: created_at has whole seconds, and so has Sluice-Elapsed.
const rounding = 1500 * time.Millisecond

// elapsedOf is how long ago the client last knew all there was, by its header
// Sluice-Elapsed; 0 when it does not say. A client that was away for minutes, as
// behind a closed laptop, says nothing about staleness.
func (g *Gateway) elapsedOf(r *http.Request) time.Duration {
	values := r.Header["Sluice-Elapsed"]
	if len(values) != 1 {
		return 0
	}
	seconds, err := strconv.ParseUint(values[0], 10, 16)
	elapsed := time.Duration(seconds) * time.Second
	if err != nil || elapsed > g.mostElapsed() {
		return 0
	}
	return max(elapsed, time.Millisecond) // at once is not never
}

// mostElapsed is the longest time between two polls of a client that is there: it
// has failed for some time, or nothing has happened and it polls as rarely as it may.
func (g *Gateway) mostElapsed() time.Duration {
	rarest := g.pacing.interval() * tune.MostStretch * 11 / 10 // with its jitter
	return max(2*g.live.Load().Poll.Ceiling, rarest+time.Second)
}

// polled counts what a poll has delivered by its age. To a client that was there an
// item is as stale as it is old: also one that the client's last success should have
// brought, since then a cache or a source that lags has hidden it. What a client
// that was not there had to wait for is catch-up, and so are repeats.
func (g *Gateway) polled(user, client string, p backend.Page, elapsed time.Duration, now time.Time) {
	for i, item := range p.Items {
		age := max(now.Sub(item.Time()), 0)
		// A poll at once asks for the next page of a backlog.
		waited := elapsed < time.Second && age > elapsed+rounding
		if i < p.Repeated || p.Reset || elapsed == 0 || waited {
			g.metrics.catchUp.Inc()
			continue
		}
		g.metrics.staleness.WithLabelValues("poll").Observe(age.Seconds())
		if g.limits.evidence.take(user, now) > 0 {
			continue // what a client says of itself may be a lie
		}
		g.metrics.evidence.Observe(age.Seconds())
		if age <= elapsed+rounding { // what was hidden is not the interval's fault
			g.tuning.window.Delivered(now, age)
		}
	}
	if elapsed > 0 {
		// What it was told may be older than what is told now, once after each change.
		g.tuning.window.Observed(now, elapsed, g.pacing.interval())
		g.metrics.observedInterval.WithLabelValues(client).Observe(elapsed.Seconds())
	}
}

// bridged counts what a stream has delivered: what came while its reader was there
// was as stale as it is old.
func (m *metrics) bridged(n int, live []backend.Notification) {
	now := time.Now()
	for _, item := range live {
		m.staleness.WithLabelValues("bridge").Observe(max(now.Sub(item.Time()), 0).Seconds())
	}
	m.catchUp.Add(float64(n - len(live)))
}
