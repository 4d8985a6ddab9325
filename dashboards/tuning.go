package dashboards

import "fmt"

// quantile fills a query that has a place for it.
func quantile(expr, q string) string { return fmt.Sprintf(expr, q) }

// quantiles are the three that are always shown together.
func quantiles(expr string) []query {
	return []query{{quantile(expr, "0.5"), "p50"}, {quantile(expr, "0.95"), "p95"}, {quantile(expr, "0.99"), "p99"}}
}

const (
	emptyRatio = `sum(rate(sluice_polls_total{@, result="empty"}[@])) / ` + answered
	saved      = `(sum(rate(sluice_latest_requests_total{@, result="hit"}[@])) - sum(rate(sluice_cache_audits_total{@}[@]))) / sum(rate(sluice_latest_requests_total{@, layer="memory"}[@]))`
	delivered  = `sum(rate(sluice_notifications_delivered_total{@}[@]))`
)

// tuning is what somebody looks at who chooses poll.interval.
func tuning() *board {
	b := newBoard("tuning", "Tuning", "What the poll interval costs and what it buys: choose poll.interval on evidence.")
	b.row("Now")
	b.WithPanel(number("Advised interval", seconds, "The X-Poll-Interval that clients are sent: poll.interval, or more under load.", one(`max(sluice_poll_interval_advised_seconds{@})`), "green"))
	b.WithPanel(number("Recommended interval", seconds, "The longest interval that keeps the staleness target, or the shortest that the budget of polls allows.", one(`max(sluice_poll_interval_recommended_seconds{@})`), "yellow"))
	b.WithPanel(number("Empty polls", ratio, "Polls that had nothing to deliver. They are the price of not holding streams; the cache makes most of them cheap.", one(emptyRatio), "blue"))
	b.WithPanel(number("Reads saved", ratio, "Polls and reads of streams that the cache answered, so that the app's data was not read. Audits read it all the same.", one(saved), "blue"))
	b.WithPanel(number("Clients", count, "Clients that poll as they are told, of all gateways together, over the last five minutes.", one(`sum(sluice_poll_active_clients{@})`), "blue").Decimals(0))
	b.WithPanel(number("On time", ratio, "Polled items delivered within the target of 10 s. 95 % should be.", one(onTime), "red", step{0.95, "green"}))

	b.row("How often clients ask, and how late they hear")
	b.WithPanel(wide(coloured(graph("Poll interval", seconds, "What Sluice asks for, what clients do (the median, as they tell it), and what it recommends. Clients wait longer while nothing happens.",
		query{`histogram_quantile(0.5, sum by (le) (rate(sluice_poll_interval_observed_seconds_bucket{@}[@])))`, "observed"},
		query{`max(sluice_poll_interval_advised_seconds{@})`, "advised"},
		query{`max(sluice_poll_interval_recommended_seconds{@})`, "recommended"}), "observed", "advised", "recommended")))
	b.WithPanel(wide(target(coloured(graph("Staleness against its target", seconds, "From an item's creation to its delivery by a poll. A longer interval moves all of it up.",
		quantiles(staleness)...), "p50", "p95", "p99"), step{StalenessTarget, "red"})))

	b.row("What the recommendation rests on")
	b.WithPanel(graph("Clients", count, "Clients that poll as they are told: each poll tells how long its client has waited. Their number over the interval is the rate of polls.",
		query{`sum(sluice_poll_active_clients{@})`, "clients"}))
	b.WithPanel(graph("Stretch", times, "How much longer than told the waits are in which items come. Above 1 clients poll more rarely because nothing happens.",
		query{`max(sluice_poll_interval_stretch_ratio{@})`, "stretch"}))
	b.WithPanel(graph("Overhead", seconds, "The part of an item's staleness that no interval changes: the poll itself, commits, whole seconds, the cache.",
		query{`max(sluice_delivery_overhead_seconds{@})`, "overhead"}))

	b.row("What it costs")
	b.WithPanel(coloured(graph("Polls and reads", perSecond, "Polls answered, and reads of the app's data that they and the streams cost.",
		query{polls, "polls"}, query{reads, "reads"})))
	b.WithPanel(graph("Empty and saved", ratio, "Polls without items, and lookups that the cache answered. The nearer the second is to the first, the less an empty poll costs the app.",
		query{emptyRatio, "empty"}, query{saved, "saved"}).Max(1))
	b.WithPanel(graph("Cost of an item", times, "Reads of the app's data for each item delivered: what idle polls cost shows here.",
		query{reads + " / " + delivered, "reads per item"}))
	return b
}

// onTime is the share of polled items within the target; 10 s is an edge of the
// histogram, so it is exact.
const onTime = `sum(rate(sluice_delivery_staleness_seconds_bucket{@, transport="poll", le=~"10|10.0"}[@])) / sum(rate(sluice_delivery_staleness_seconds_count{@, transport="poll"}[@]))`
