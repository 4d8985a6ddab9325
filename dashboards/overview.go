package dashboards

// Queries that several dashboards ask.
const (
	polls     = `sum(rate(sluice_polls_total{@}[@]))`
	answered  = `sum(rate(sluice_polls_total{@, result=~"items|empty|reset"}[@]))`
	failed    = `sum(rate(sluice_polls_total{@, result="error"}[@]))`
	staleness = `histogram_quantile(%s, sum by (le) (rate(sluice_delivery_staleness_seconds_bucket{@, transport="poll"}[@])))`
	reads     = `sum(rate(sluice_source_requests_total{@}[@]))`
)

// overview is what somebody who was paged looks at first: is anybody harmed, and by
// what.
func overview() *board {
	b := newBoard("overview", "Overview", "Whether notifications reach their users: success, staleness, and what the app sees of it. Start here.")
	b.row("Now")
	b.WithPanel(number("Gateways", count, "Gateways that Prometheus reaches.", one(`count(sluice_poll_interval_advised_seconds{@})`), "red", step{1, "green"}))
	b.WithPanel(number("Polls", perSecond, "Polls that Sluice answers, of all clients together.", one(polls), "blue"))
	b.WithPanel(number("Success", ratio, "Polls answered, of those that were not refused for the client's own fault. The target is 99.9 %.",
		one(answered+" / ("+answered+" + "+failed+")"), "red", step{SuccessTarget, "green"}).Decimals(3))
	b.WithPanel(total("Error budget left", ratio, "What is left of the failures that the target of 99.9 % allows, over the time shown. Below 0 the target is missed.",
		one(`1 - sum(increase(sluice_polls_total{@, result="error"}[$__range])) / sum(increase(sluice_polls_total{@, result!~"refused|throttled"}[$__range])) / 0.001`),
		"red", step{0, "yellow"}, step{0.25, "green"}))
	b.WithPanel(number("Staleness, p95", seconds, "95 % of items are delivered by polls within this time from their creation. The target is 10 s.",
		one(quantile(staleness, "0.95")), "green", step{StalenessTarget, "red"}))
	b.WithPanel(total("False empties", count, "Notifications that the cache would have hidden for too long, found by audits over the time shown. Every one is a bug.",
		one(`sum(increase(sluice_cache_false_empty_total{@}[$__range]))`), "green", step{1, "red"}).Decimals(0))

	b.row("Polls")
	b.WithPanel(stacked(coloured(graph("Polls by result", perSecond, "What polls are answered with. Most should be empty. error is Sluice's or the app's fault, refused the client's.",
		query{`sum by (result) (rate(sluice_polls_total{@}[@]))`, "{{result}}"}), "items", "empty", "reset", "throttled", "refused", "error"), false))
	b.WithPanel(target(graph("Burn of the error budget", times, "How many times as fast as the target allows polls fail: at 1 the budget of 30 days lasts 30 days. At 14.4 and at 6 somebody is paged.",
		query{failed + ` / sum(rate(sluice_polls_total{@, result!~"refused|throttled"}[@])) / 0.001`, "burn"}), step{1, "yellow"}, step{6, "orange"}, step{14.4, "red"}))
	b.WithPanel(coloured(graph("Time to answer a poll", seconds, "From the request to the answer, in Sluice.",
		quantiles(`histogram_quantile(%s, sum by (le) (rate(sluice_poll_duration_seconds_bucket{@}[@])))`)...), "p50", "p95", "p99"))

	b.row("Delivery")
	b.WithPanel(target(coloured(graph("Staleness of polled items", seconds, "From an item's creation to its delivery, to clients that were there. What waited for a closed laptop is not in it.",
		quantiles(staleness)...), "p50", "p95", "p99"), step{StalenessTarget, "red"}))
	b.WithPanel(stacked(coloured(graph("Share by transport", ratio, "How delivered items reached their users: by polls, or over the bridged stream. What the app's own stream delivers passes through and is not counted.",
		query{`sum by (transport) (rate(sluice_notifications_delivered_total{@}[@]))`, "{{transport}}"}), "poll", "bridge"), true).Max(1))
	b.WithPanel(coloured(graph("Items", items, "Items delivered, repeats included, and those for clients that had been away.",
		query{`sum by (transport) (rate(sluice_notifications_delivered_total{@}[@]))`, "{{transport}}"},
		query{`sum(rate(sluice_catchup_items_total{@}[@]))`, "catch-up"}), "poll", "bridge", "catch-up"))

	b.row("The app's data")
	b.WithPanel(wide(stacked(coloured(graph("Reads by outcome", perSecond, "Reads of the app's data, its database or its endpoint. Anything but ok fails somebody's poll, unless it is canceled.",
		query{`sum by (outcome) (rate(sluice_source_requests_total{@}[@]))`, "{{outcome}}"}), "ok", "unavailable", "too_late", "bad_answer"), false)))
	b.WithPanel(wide(coloured(graph("Time of a read", seconds, "How long one read of the app's data takes.",
		quantiles(`histogram_quantile(%s, sum by (le) (rate(sluice_source_request_duration_seconds_bucket{@}[@])))`)...), "p50", "p95", "p99")))
	return b
}
