package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/backend"
	"sluice/compat"
	"sluice/compat/shadow"
	"sluice/proxy/auth"
	"sluice/rollout"
)

// openShadow prepares what compares the app's own stream with polls.
func (g *Gateway) openShadow(polls, store backend.Source) {
	g.shadow = shadow.New(shadow.Options{
		Polls: polls, Store: store,
		Interval: g.pacing.interval, Limit: g.config.Poll.LimitDefault,
		Settle:   settling(g.config.StalenessBound(true), g.tail != nil),
		Observer: shadowObserver{g.metrics.shadow, g.log},
	})
}

const (
	// vouched is how long a tail may vouch for an answer that hides an item created
	// long before it became visible (docs/guarantees.md).
	vouched = time.Minute
	// rounds is two rounds of the app's stream: what one misses by a moment, the next
	// delivers, and the rest is time for queries.
	rounds = 10 * time.Second
)

// settling is how long polls, or the app's stream, may take over an item by design.
func settling(bound time.Duration, followed bool) time.Duration {
	if bound > 0 && followed {
		bound = max(bound, vouched)
	}
	return bound + rounds
}

// shadowed follows a passing stream of a user in the sample; nil for all others.
func (g *Gateway) shadowed(id auth.Identity) compat.Listener {
	if !rollout.Sampled(id.User, g.config.Rollout.ShadowRatio) {
		return nil
	}
	if s := g.shadow.Enter(id.Caller, id.Expires); s != nil {
		return s
	}
	return nil
}

// latenessBuckets are in seconds. The app's stream looks once in 5 s and so do polls,
// so one is as often ahead of the other.
var latenessBuckets = []float64{-60, -30, -15, -10, -5, -2.5, -1, 0, 1, 2.5, 5, 7.5, 10, 15, 30, 60, 120}

type shadowMetrics struct {
	streams                 prometheus.Gauge
	compared, missed, extra prometheus.Counter
	inconclusive            *prometheus.CounterVec
	lateness                prometheus.Observer
}

// newShadowMetrics registers them.
func newShadowMetrics(r *prometheus.Registry) *shadowMetrics {
	lateness := histogram("shadow_lateness_seconds",
		"How much later than the app's stream polling delivers an item; negative where it is earlier.", latenessBuckets)
	m := &shadowMetrics{
		streams:      gauge("shadow_streams", "Streams of the app that are compared with polls."),
		compared:     single("shadow_compared_total", "Items compared, those missed and extra included."),
		missed:       single("shadow_missed_total", "Items that the app's stream delivered and polling would not have."),
		extra:        single("shadow_extra_total", "Items that polling would have delivered and the app's stream did not."),
		inconclusive: counter("shadow_inconclusive_total", "Items that could not be compared.", "reason"),
		lateness:     lateness.WithLabelValues(),
	}
	r.MustRegister(m.streams, m.compared, m.missed, m.extra, m.inconclusive, lateness)
	preset(m.inconclusive, shadow.Reasons)
	return m
}

// shadowObserver reports the shadow to metrics and log.
type shadowObserver struct {
	*shadowMetrics
	log *zap.Logger
}

func (o shadowObserver) StreamOpened() { o.streams.Inc() }
func (o shadowObserver) StreamClosed() { o.streams.Dec() }

func (o shadowObserver) Compared(lateness time.Duration) {
	o.compared.Inc()
	o.lateness.Observe(lateness.Seconds())
}

func (o shadowObserver) Missed(user, id string, stored bool) {
	o.compared.Inc()
	o.missed.Inc()
	o.log.Error("shadow: polling would have missed a notification that the app's stream delivered",
		zap.String("user", user), zap.String("item", id), zap.Bool("in_the_store", stored))
}

func (o shadowObserver) Extra(user, id string) {
	o.compared.Inc()
	o.extra.Inc()
	o.log.Info("shadow: the app's stream did not deliver a notification that polling would have",
		zap.String("user", user), zap.String("item", id))
}

func (o shadowObserver) Inconclusive(why shadow.Reason) {
	o.inconclusive.WithLabelValues(string(why)).Inc()
}
