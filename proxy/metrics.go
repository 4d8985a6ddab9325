package proxy

import (
	"crypto/tls"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sluice/backend"
	"sluice/backend/feed"
	"sluice/backend/latest"
	"sluice/compat"
	"sluice/compat/census"
	"sluice/proxy/config"
	"sluice/proxy/shim"
	"sluice/rollout"
)

// Label values. They all exist from the start, so that a rate over a label that
// has not happened yet is 0 and not absent.
var (
	clients     = []string{"native", "sluice", "drop-in"} // by the Sluice-Client header
	pollResults = []string{"items", "empty", "reset", "throttled", "refused", "error"}
	transports  = []string{"poll", "bridge"}
	checks      = []backend.Check{backend.CheckEqual, backend.CheckLate, backend.CheckGap, backend.CheckBare}
	lookups     = []latest.Result{latest.Hit, latest.Stale, latest.Differs, latest.Absent, latest.Failed}
	outcomes    = []string{"ok", string(backend.Unauthorized), string(backend.OutOfReach), string(backend.BadAnswer),
		string(backend.Unavailable), string(backend.TooLate), string(backend.Canceled)}
)

// edges are buckets with more edges, where limits that people set lie.
func edges(buckets []float64, limits ...time.Duration) []float64 {
	all := slices.Clone(buckets)
	for _, limit := range limits {
		all = append(all, limit.Seconds())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pollBuckets are in seconds: a poll from memory takes 0.1 ms, one through the
// app up to its time-out.
var pollBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// echoBuckets are in seconds, with compat.EchoWithin and the longest times of streams.
var echoBuckets = []float64{.1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 300}

// metrics are all of Sluice's own. Their names are API: a golden test holds them.
// None has a user, an id or a path for a label.
type metrics struct {
	registry *prometheus.Registry

	polls            *prometheus.CounterVec
	pollDuration     *prometheus.HistogramVec
	advised          prometheus.Gauge
	observedInterval *prometheus.HistogramVec
	sourceRequests   *prometheus.CounterVec
	sourceDuration   *prometheus.HistogramVec
	delivered        *prometheus.CounterVec
	staleness        *prometheus.HistogramVec
	evidence         prometheus.Histogram // the staleness of polls that checks go by; not exposed
	pollsFailed      prometheus.Counter   // failed polls that checks go by; not exposed
	catchUp          prometheus.Counter
	cursorChecks     *prometheus.CounterVec
	latestRequests   *prometheus.CounterVec
	audits           prometheus.Counter
	falseEmpty       prometheus.Counter
	streams          prometheus.Gauge
	streamCloses     *prometheus.CounterVec
	streamProbes     prometheus.Counter
	streamEcho       prometheus.Histogram
	streamReturns    *prometheus.CounterVec
	shimInjections   *prometheus.CounterVec
	flagEvaluations  *prometheus.CounterVec
	flagReload       prometheus.Gauge
	redisUp          prometheus.Gauge // nil without Redis
	shadow           *shadowMetrics
	configReload     prometheus.Gauge
	rollout          *rolloutMetrics // nil without a spec
}

func newMetrics(c config.Config) *metrics {
	m := &metrics{
		registry:         prometheus.NewRegistry(),
		polls:            counter("polls_total", "Polls answered by Sluice.", "client", "result"),
		pollDuration:     histogram("poll_duration_seconds", "Time to answer a poll.", edges(pollBuckets, c.Upstream.Timeout), "client"),
		advised:          gauge("poll_interval_advised_seconds", "The X-Poll-Interval that clients are sent."),
		sourceRequests:   counter("source_requests_total", "Reads of the source.", "source", "outcome"),
		sourceDuration:   histogram("source_request_duration_seconds", "Time of one read of the source.", edges(pollBuckets, c.Upstream.Timeout, c.Upstream.Timeout/slowShare), "source"),
		delivered:        counter("notifications_delivered_total", "Notifications sent to clients, repeats included.", "transport"),
		observedInterval: histogram("poll_interval_observed_seconds", "Time between the polls of a client, as it tells it.", intervalBuckets, "client"),
		evidence:         prometheus.NewHistogram(prometheus.HistogramOpts{Buckets: edges(stalenessBuckets, c.Tune.StalenessTarget)}),
		pollsFailed:      prometheus.NewCounter(prometheus.CounterOpts{}),
		staleness:        histogram("delivery_staleness_seconds", "Time from an item's creation to its delivery to a client that was there.", edges(stalenessBuckets, c.Tune.StalenessTarget), "transport"),
		catchUp:          single("catchup_items_total", "Items sent to clients that had been away, or of which that is not known; repeats too."),
		cursorChecks:     counter("cursor_checks_total", "Cursors compared with the rows behind them.", "result"),
		latestRequests:   counter("latest_requests_total", "Polls looked up in the latest-id cache.", "layer", "result"),
		audits:           single("cache_audits_total", "Cached answers compared with the source."),
		falseEmpty:       single("cache_false_empty_total", "Audits that found an item which the cache would have hidden for too long."),
		streams:          gauge("compat_streams", "Bridged streams now open."),
		streamCloses:     counter("compat_stream_closes_total", "Bridged streams that have ended.", "reason"),
		streamProbes:     single("compat_stream_probes_total", "Bridged streams whose reader, our client, was asked whether it hears them, and had 5 s to answer."),
		streamEcho:       prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "compat_stream_echo_seconds", Help: "Time until such a reader has answered; more than 5 s is a proxy that holds streams back.", Buckets: echoBuckets}),
		streamReturns:    counter("compat_stream_returns_total", "Old pages that were back, by what had become of their last stream.", "after"),
		shimInjections:   counter("shim_injections_total", "Pages of the app for users on poll, by what became of them.", "result"),
		flagEvaluations:  counter("flag_evaluations_total", "Flag evaluations.", "flag", "variant", "reason"),
		configReload:     gauge("config_last_reload_successful", "Whether the configuration file, as it is now, could be loaded."),
		flagReload:       gauge("flag_config_last_reload_successful", "Whether the flag file, as it is now, could be loaded."),
	}
	m.registry.MustRegister(m.polls, m.pollDuration, m.advised, m.sourceRequests, m.sourceDuration, m.delivered, m.staleness, m.catchUp, m.observedInterval, m.cursorChecks,
		m.latestRequests, m.audits, m.falseEmpty, m.streams, m.streamCloses, m.streamProbes, m.streamEcho, m.streamReturns, m.shimInjections, m.flagEvaluations, m.flagReload, m.configReload,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.shadow = newShadowMetrics(m.registry)
	for _, client := range clients {
		preset(m.polls, pollResults, client)
		m.pollDuration.WithLabelValues(client)
		m.observedInterval.WithLabelValues(client)
	}
	for _, t := range transports {
		m.staleness.WithLabelValues(t)
	}
	preset(m.delivered, transports)
	preset(m.cursorChecks, checks)
	preset(m.streamCloses, compat.Reasons)
	preset(m.streamReturns, compat.Returns)
	preset(m.shimInjections, shim.Results)
	rollout.EachEvaluation(func(flag, variant, reason string) { m.flagEvaluations.WithLabelValues(flag, variant, reason) })
	return m
}

const namespace = "sluice"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func single(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

func preset[S ~string](c *prometheus.CounterVec, values []S, before ...string) {
	for _, v := range values {
		c.WithLabelValues(append(before, string(v))...)
	}
}

// forSource presets what depends on the source's name.
func (m *metrics) forSource(source string) {
	preset(m.sourceRequests, outcomes, source)
	m.sourceDuration.WithLabelValues(source)
	for _, layer := range []string{latest.Local, latest.Shared} {
		preset(m.latestRequests, lookups, layer)
	}
}

// forRedis exists where there is one.
func (m *metrics) forRedis() {
	m.redisUp = gauge("redis_up", "Whether Redis answered when it was asked last, which is every 5 seconds.")
	m.registry.MustRegister(m.redisUp)
}

// followCertificate shows when the public listener's certificate ends, where there is one.
func (m *metrics) followCertificate(shown func() *tls.Certificate) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "tls_certificate_not_after_timestamp_seconds",
		Help: "When the certificate that new connections are shown ends, in seconds since 1970.",
	}, func() float64 { return float64(shown().Leaf.NotAfter.Unix()) }))
}

// followOldPages shows how often old pages lose their stream: each end is an error
// to its user. Ends over seconds are the check legacy-reconnect-rate.
func (m *metrics) followOldPages(s *streamTime) {
	m.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "compat_legacy_stream_ends_total",
			Help: "Streams of old pages, the app's or the bridge's, that ended under their readers.",
		}, func() float64 { ended, _ := s.total(); return ended }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "compat_legacy_stream_seconds_total",
			Help: "Time that streams of old pages were open, added up over the streams.",
		}, func() float64 { _, seconds := s.total(); return seconds }))
}

// followFeed shows how far the tail of the store is behind.
func (m *metrics) followFeed(f *feed.Feed) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "feed_lag_seconds",
		Help: "Time since the start of the last successful look at the store's changes; beyond 5 it vouches for nothing.",
	}, func() float64 { return f.Lag().Seconds() }))
}

// countLegacy shows how many users are still on the old stream: NaN where that is
// not known.
func (m *metrics) countLegacy(c *census.Census) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "compat_legacy_clients",
		Help: "Distinct users who were on the old stream, the app's or the bridge, in the last 24 hours; NaN while that is not known.",
	}, func() float64 {
		count, err := c.Count()
		if err != nil {
			return math.NaN()
		}
		return float64(count.Users)
	}))
}

// streamMetrics reports the bridge to its metrics.
type streamMetrics struct{ *metrics }

func (m streamMetrics) StreamOpened() { m.streams.Inc() }

func (m streamMetrics) StreamClosed(r compat.Reason) {
	m.streams.Dec()
	m.streamCloses.WithLabelValues(string(r)).Inc()
}

func (m streamMetrics) Asked() { m.streamProbes.Inc() }

func (m streamMetrics) Returned(r compat.Return) { m.streamReturns.WithLabelValues(string(r)).Inc() }

func (m streamMetrics) Delivered(n int, live []backend.Notification) {
	m.delivered.WithLabelValues("bridge").Add(float64(n))
	m.bridged(n, live)
}
