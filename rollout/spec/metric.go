package spec

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// The defaults of a metric; those of Range and MinSamples are its check's.
const (
	defaultSource       = Internal
	defaultInterval     = 30 * time.Second
	defaultCount        = 5 // one good measurement is luck
	defaultFailureLimit = 0
	defaultOnNoData     = Inconclusive
)

const (
	minInterval  = time.Second
	maxInterval  = 24 * time.Hour
	maxCount     = 1000
	maxSamples   = 1_000_000_000
	nameWords    = "a name of at most 64 letters, digits, - and _"
	addressWords = "an address such as http://prometheus:9090; it may hold a path, but no password, query or fragment"
)

// nameForm is short enough for a column in a terminal and a label in metrics.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

var notBlank = regexp.MustCompile(`\S`)

// addressForm is the schema's part of what an address is.
var addressForm = regexp.MustCompile(`^https?://[^/?#@\s]+(/[^?#@\s]*)?$`)

func (r *reader) prometheus(f field) (address string) {
	has := r.object(f, entry{"address", func(f field) { address = r.address(f) }})
	r.need(f, has, "address")
	return strings.TrimSuffix(address, "/")
}

// address does not quote what it refuses: that may hold a password.
func (r *reader) address(f field) string {
	before := len(r.faults)
	text := r.text(f)
	if _, err := url.Parse(text); len(r.faults) == before && (err != nil || !addressForm.MatchString(text)) {
		r.fail(f, "is not %s", addressWords)
	}
	return text
}

// analysis reads that of a step.
func (r *reader) analysis(f field) (metrics []Metric) {
	has := r.object(f, entry{"metrics", func(f field) { metrics = r.metrics(f, true) }})
	r.need(f, has, "metrics")
	return metrics
}

func (r *reader) background(f field, steps int) *Background {
	var b Background
	if steps == 0 { // they could not be read
		steps = maxSteps
	}
	has := r.object(f,
		entry{"startingStep", func(f field) { b.StartingStep = r.whole(f, 0, steps-1) }},
		entry{"metrics", func(f field) { b.Metrics = r.metrics(f, false) }})
	r.need(f, has, "metrics")
	return &b
}

// metrics reads those of a step, which end, or of the background, which do not.
func (r *reader) metrics(f field, end bool) (metrics []Metric) {
	seen := map[string]bool{}
	for _, item := range r.list(f, "metric") {
		m := r.metric(item, end)
		if m.Name != "" && seen[m.Name] {
			r.fail(r.at[item.place+".name"], "%s is measured here already", m.Name)
		}
		seen[m.Name] = true
		metrics = append(metrics, m)
	}
	return metrics
}

func (r *reader) metric(f field, end bool) Metric {
	m := Metric{Source: defaultSource, Interval: defaultInterval, FailureLimit: defaultFailureLimit, OnNoData: defaultOnNoData}
	if end {
		m.Count = defaultCount
	}
	before := len(r.faults)
	has := r.object(f,
		entry{"name", func(f field) { m.Name = r.form(f, nameForm, nameWords) }},
		entry{"source", func(f field) { m.Source = oneOf(r, f, Internal, Prometheus) }},
		entry{"query", func(f field) { m.Query = r.form(f, notBlank, "a query") }},
		entry{"prometheus", func(f field) { m.Address = r.prometheus(f) }},
		entry{"thresholdRange", func(f field) { m.Range = r.threshold(f) }},
		entry{"interval", func(f field) { m.Interval = r.duration(f, minInterval, maxInterval) }},
		entry{"count", func(f field) { m.Count = r.count(f, end) }},
		entry{"failureLimit", func(f field) { m.FailureLimit = r.whole(f, 0, maxCount) }},
		entry{"minSamples", func(f field) { m.MinSamples = r.whole(f, 1, maxSamples) }},
		entry{"onNoData", func(f field) { m.OnNoData = oneOf(r, f, Inconclusive, Pass, Fail) }},
		entry{"dryRun", func(f field) { m.DryRun = r.boolean(f) }})
	r.need(f, has, "name")
	switch {
	case len(r.faults) > before:
	case m.Source == Prometheus:
		r.fromPrometheus(f, has)
	default:
		r.fromCheck(f, has, &m)
	}
	return m
}

func (r *reader) count(f field, end bool) int {
	if !end {
		r.fail(f, "an analysis beside the steps goes on as long as they do; take it out")
		return 0
	}
	return r.whole(f, 1, maxCount)
}

func (r *reader) threshold(f field) (t Range) {
	before := len(r.faults)
	end := func(to **float64) func(field) {
		return func(f field) {
			v := r.number(f)
			*to = &v
		}
	}
	r.object(f, entry{"min", end(&t.Min)}, entry{"max", end(&t.Max)})
	switch {
	case len(r.faults) > before:
	case t.Min == nil && t.Max == nil:
		r.fail(f, "needs min, max or both")
	case t.Min != nil && t.Max != nil && *t.Min > *t.Max:
		r.fail(f, "min is above max; no value could pass")
	}
	return t
}

// fromPrometheus checks what a metric from there has.
func (r *reader) fromPrometheus(f field, has map[string]field) {
	if samples, ok := has["minSamples"]; ok {
		r.fail(samples, "is for source internal; let the query give no result where there are too few")
	}
	r.need(f, has, "query")
	r.need(f, has, "thresholdRange")
}

// fromCheck checks a metric that names a built-in check, and takes its defaults.
func (r *reader) fromCheck(f field, has map[string]field, m *Metric) {
	for _, key := range []string{"query", "prometheus"} {
		if foreign, ok := has[key]; ok {
			r.fail(foreign, "is for source prometheus, and this is %s", m.Source)
		}
	}
	check, ok := CheckNamed(m.Name)
	if !ok {
		r.fail(has["name"], "%q is not a check of source internal: %s", m.Name, checkNames())
		return
	}
	if _, ok := has["minSamples"]; !ok {
		m.MinSamples = check.MinSamples
	}
	if _, ok := has["thresholdRange"]; ok {
		return
	}
	m.Range = check.Range
	if m.Range == (Range{}) {
		r.fail(f, "%s needs a thresholdRange; it has no default", m.Name)
	}
}

func checkNames() string {
	var names []string
	for _, c := range Checks {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// earliest is how long the metrics of a step take at least.
func earliest(metrics []Metric) (d time.Duration) {
	for _, m := range metrics {
		d = max(d, time.Duration(m.Count)*m.Interval)
	}
	return d
}
