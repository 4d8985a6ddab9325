package dashboards

// heard are streams whose first heartbeat our client has confirmed in time.
const heard = `sum(rate(sluice_compat_stream_echo_seconds_bucket{@, le=~"5|5.0"}[@]))`

// bridgeAndCache is about the parts that are not seen from outside while they work.
func bridgeAndCache() *board {
	b := newBoard("bridge-and-cache", "Bridge and cache", "The bridged stream, the cache and what keeps it honest, Redis and the feed of changes.")
	b.row("Now")
	b.WithPanel(number("Open streams", count, "Bridged streams now open.", one(`sum(sluice_compat_streams{@})`), "blue"))
	b.WithPanel(number("Answered from the cache", ratio, "Lookups that the cache answered, in memory or in Redis.", one(saved), "blue"))
	b.WithPanel(total("False empties", count, "Notifications that the cache would have hidden for too long, over the time shown. Every one is a bug.",
		one(`sum(increase(sluice_cache_false_empty_total{@}[$__range]))`), "green", step{1, "red"}).Decimals(0))
	b.WithPanel(total("Audits", count, "Cached answers that were compared with the app's data over the time shown. Without audits, no false empty can be found.",
		one(`sum(increase(sluice_cache_audits_total{@}[$__range]))`), "yellow", step{1, "green"}).Decimals(0))
	b.WithPanel(number("Redis", ratio, "Gateways whose Redis answers, of those that have one.", one(`avg(sluice_redis_up{@})`), "red", step{1, "green"}).NoValue("not used"))
	b.WithPanel(number("Feed lag", seconds, "How long ago the last look at the store's changes began, on the gateway that is furthest behind. Beyond 5 s the cache relies on its bound alone.",
		one(`max(sluice_feed_lag_seconds{@})`), "green", step{5, "red"}).NoValue("no feed"))

	b.row("The bridge")
	b.WithPanel(graph("Streams", count, "Bridged streams now open, by gateway.", query{`sum by (instance) (sluice_compat_streams{@})`, "{{instance}}"}))
	b.WithPanel(stacked(graph("Ends by reason", events, "Why streams ended: bounded at their time, gone with their reader, drained by a shutdown, expired with the credential.",
		query{`sum by (reason) (rate(sluice_compat_stream_closes_total{@}[@]))`, "{{reason}}"}), false))
	b.WithPanel(target(graph("Alarms of old pages", times, "Ends of an old page's stream an hour, the app's or the bridge's. Each is an error that its user sees. Few pages that end together make it jump; the alert looks at 15 minutes.",
		query{alarms, "an hour and page"}), step{AlarmTarget, "red"}))

	b.row("On the way to the browser")
	b.WithPanel(wide(target(graph("Streams held back", ratio, "Streams of our client whose first heartbeat it did not confirm within 5 s: something on the way collects what it should pass on.",
		query{`clamp_min(1 - ` + heard + ` / sum(rate(sluice_compat_stream_probes_total{@}[@])), 0)`, "held back"}).Max(1), step{HeldTarget, "red"})))
	b.WithPanel(wide(graph("Old pages that were back", events, "end: after we had ended their stream, as usual. cut: after it broke off, as it also does when people change pages. Many of the latter: a proxy cuts streams.",
		query{`sum by (after) (rate(sluice_compat_stream_returns_total{@}[@]))`, "{{after}}"})))

	b.row("The cache")
	b.WithPanel(graph("Hit ratio by layer", ratio, "Lookups that a layer answered. Redis is asked only what memory could not answer.",
		query{`sum by (layer) (rate(sluice_latest_requests_total{@, result="hit"}[@])) / sum by (layer) (rate(sluice_latest_requests_total{@}[@]))`, "{{layer}}"}).Max(1))
	b.WithPanel(stacked(coloured(graph("Lookups by result", perSecond, "What lookups in memory and Redis found: hit answers the poll; differs means that there is something new; stale, absent and failed cost a read.",
		query{`sum by (result) (rate(sluice_latest_requests_total{@}[@]))`, "{{result}}"}), "hit", "absent", "differs", "stale", "failed"), false))
	b.WithPanel(graph("Audits", events, "Cached answers compared with the app's data, and those that would have hidden an item for too long.",
		query{`sum(rate(sluice_cache_audits_total{@}[@]))`, "audits"}, query{`sum(rate(sluice_cache_false_empty_total{@}[@]))`, "false empties"}))

	b.row("What keeps it honest")
	b.WithPanel(target(graph("Feed lag", seconds, "How long ago the last look at the store's changes began. Beyond 5 s it vouches for nothing.",
		query{`max by (instance) (sluice_feed_lag_seconds{@})`, "{{instance}}"}), step{5, "red"}))
	b.WithPanel(coloured(graph("Redis failures", perSecond, "Lookups that Redis did not answer. Polls go past it to the app's data.",
		query{`sum(rate(sluice_latest_requests_total{@, layer="redis", result="failed"}[@]))`, "failed"}), "failed").AxisSoftMax(1))
	b.WithPanel(coloured(graph("Cursors that noticed something", events, "late: an item slid in behind the reader's place, and was sent. gap: the place could not be kept, and the newest page was sent.",
		query{`sum by (result) (rate(sluice_cursor_checks_total{@, result=~"late|gap"}[@]))`, "{{result}}"}), "late", "gap").AxisSoftMax(1))
	return b
}
