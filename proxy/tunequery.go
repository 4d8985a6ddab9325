package proxy

import (
	"context"
	"fmt"
	"math"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"sluice/backend/tune"
)

// queryTimeout bounds one query.
const queryTimeout = 10 * time.Second

// tuneFigures is what Prometheus has, over all gateways. A figure without data is
// null. Times are seconds, rates per second.
type tuneFigures struct {
	Gateways  float64  `json:"gateways"`
	Clients   float64  `json:"clients"`
	Polls     float64  `json:"polls_per_second"`
	Unmoved   float64  `json:"unmoved_polls_per_second"`
	Empty     *float64 `json:"empty_ratio"`
	Advised   float64  `json:"advised_seconds"`
	Observed  *float64 `json:"observed_seconds"`
	Staleness *float64 `json:"staleness_seconds"` // at the quantile
	Items     float64  `json:"items_per_second"`
	CatchUp   float64  `json:"catchup_items_per_second"`
	Overhead  float64  `json:"overhead_seconds"`
	Stretch   float64  `json:"stretch_ratio"`
	Reads     *float64 `json:"reads_per_item"`
	Saved     *float64 `json:"reads_saved_per_second"`
}

func (f tuneFigures) model() tune.Measured {
	return tune.Measured{Clients: f.Clients, Unmoved: f.Unmoved, Overhead: f.Overhead, Stretch: f.Stretch}
}

// querier asks one Prometheus for figures of some gateways over a window.
type querier struct {
	api            v1.API
	address        string
	matchers, span string
}

func newQuerier(address, match string, window time.Duration) (*querier, error) {
	prometheus, err := prometheusAt(address)
	if err != nil {
		return nil, fmt.Errorf("--prometheus: %w", err)
	}
	return &querier{prometheus, address, match, model.Duration(window).String()}, nil
}

// measure asks for everything.
func (q *querier) measure(ctx context.Context, quantile float64) (f tuneFigures, err error) {
	ask := func(query string) (v *float64) {
		if err == nil {
			v, err = q.ask(ctx, query)
		}
		return v
	}
	known := ask("count(" + q.series("poll_interval_advised_seconds") + ")")
	polls := ask(q.rate("polls_total"))
	if err != nil {
		return f, err
	}
	if known == nil || polls == nil {
		return f, fmt.Errorf("%s has no sluice_polls_total over the last %s%s: does it scrape the gateways' admin listeners, at /metrics?", q.address, q.span, q.chosen())
	}
	if *polls == 0 {
		return f, fmt.Errorf("no polls in the last %s%s: nothing to go by", q.span, q.chosen())
	}
	told := orZero(ask(q.rate("poll_interval_observed_seconds_count")))
	f = tuneFigures{
		Gateways: *known, Polls: *polls, Unmoved: max(*polls-told, 0),
		Clients:   orZero(ask(q.rate("poll_interval_observed_seconds_sum"))),
		Empty:     ask(q.rate("polls_total", `result="empty"`) + " / " + q.rate("polls_total")),
		Advised:   orZero(ask("avg(" + q.series("poll_interval_advised_seconds") + ")")),
		Observed:  ask(q.rate("poll_interval_observed_seconds_sum") + " / " + q.rate("poll_interval_observed_seconds_count")),
		Staleness: ask(fmt.Sprintf("histogram_quantile(%g, sum by (le) (rate(%s[%s])))", quantile, q.series("delivery_staleness_seconds_bucket", `transport="poll"`), q.span)),
		Items:     orZero(ask(q.rate("delivery_staleness_seconds_count", `transport="poll"`))),
		CatchUp:   orZero(ask(q.rate("catchup_items_total"))),
		Overhead:  orZero(ask(q.average("delivery_overhead_seconds"))),
		Stretch:   max(orZero(ask(q.average("poll_interval_stretch_ratio"))), 1),
		Reads:     ask(q.rate("source_requests_total") + " / " + q.rate("notifications_delivered_total")),
		Saved:     ask(q.rate("latest_requests_total", `result="hit"`) + " - " + q.rate("cache_audits_total")),
	}
	return f, err
}

// series selects a metric of the gateways.
func (q *querier) series(name string, matchers ...string) string {
	selector := q.matchers
	for _, m := range matchers {
		if selector != "" {
			selector += ","
		}
		selector += m
	}
	return namespace + "_" + name + "{" + selector + "}"
}

func (q *querier) rate(name string, matchers ...string) string {
	return "sum(rate(" + q.series(name, matchers...) + "[" + q.span + "]))"
}

func (q *querier) average(name string) string {
	return "avg(avg_over_time(" + q.series(name) + "[" + q.span + "]))"
}

// chosen says of which gateways.
func (q *querier) chosen() string {
	if q.matchers == "" {
		return ""
	}
	return " of {" + q.matchers + "}"
}

// ask returns the one value of a query; nil if there is none.
func (q *querier) ask(ctx context.Context, query string) (*float64, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	values, err := valuesOf(ctx, q.api, query)
	if err != nil {
		return nil, fmt.Errorf("prometheus at %s: %w (asked for %s)", q.address, err, query)
	}
	if len(values) != 1 || math.IsNaN(values[0]) {
		return nil, nil //nolint:nilnil // no value is no error
	}
	return &values[0], nil
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}
