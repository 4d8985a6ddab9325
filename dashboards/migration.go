package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const (
	weight = `max(sluice_rollout_target_ratio{@, flag="notifications-transport"})`
	bridge = `max(sluice_rollout_target_ratio{@, flag="legacy-stream"})`
	// alarms are what old pages show an hour, each: ends over stream-hours.
	alarms = `sum(rate(sluice_compat_legacy_stream_ends_total{@}[@])) / sum(rate(sluice_compat_legacy_stream_seconds_total{@}[@])) * 3600`
	cohort = `histogram_quantile(0.95, sum by (le, transport) (rate(sluice_delivery_staleness_seconds_bucket{@}[@])))`
)

// migration is what an operator has open while users move.
func migration() *board {
	b := newBoard("migration", "Migration", "Where the rollout is, what its checks say, how both cohorts fare, and who is still on the old stream.")
	b.WithVariable(choice("check", "Check", `label_values(sluice_rollout_analysis_value{job=~"$job"}, metric)`))
	b.Annotation(transitions())
	b.row("Now")
	b.WithPanel(number("Users on poll", ratio, "The rollout's weight: the share of users, not named in the flag file, who poll.", one(weight), "blue"))
	b.WithPanel(number("Step", count, "The rollout's step, counted from 0. `sluice rollout plan` lists them.", one(`max(sluice_rollout_step{@})`), "blue"))
	b.WithPanel(phase())
	b.WithPanel(number("Waiting for data", seconds, "How long the rollout has been waiting for data that a check lacks. Beyond 10 minutes a ticket is raised.", one(`max(sluice_rollout_stalled_seconds{@})`), "green", step{1, "yellow"}, step{600, "red"}))
	b.WithPanel(number("On the old stream", count, "Distinct users who had an old page open in the last 24 hours. At 0 the stream can be retired.", one(`max(sluice_compat_legacy_clients{@} >= 0)`), "green", step{1, "blue"}))
	b.WithPanel(number("Alarms of old pages", times, "How often an hour an old page's stream ends under it, which its user sees as an error. About 13 with the bridge; the target is at most 30.", one(alarms), "green", step{AlarmTarget, "red"}).Decimals(0))

	b.row("The move")
	b.WithPanel(wide(graph("Weight", ratio, "The share of users on poll, and of users off the app's own stream. Vertical lines are changes of the phase or the stream.",
		query{weight, "poll"}, query{bridge, "off the app's stream"}).Max(1).LineInterpolation(common.LineInterpolationStepAfter)))
	b.WithPanel(wide(graph("Who is served what", perSecond, "Requests by the side that their user is on. One who polls asks far more often than one who holds a stream.",
		query{`sum by (variant) (rate(sluice_flag_evaluations_total{@, flag="notifications-transport"}[@]))`, "{{variant}}"})))

	b.row("Checks, each against its limits")
	b.WithPanel(check())

	b.row("The shadow: would polls have delivered what the app's stream did?")
	b.WithPanel(graph("Compared", items, "Items of users on the app's own stream that were compared with what polls would deliver. Only with rollout.shadow_ratio.",
		query{`sum(rate(sluice_shadow_compared_total{@}[@]))`, "compared"}, query{`sum(rate(sluice_shadow_inconclusive_total{@}[@]))`, "inconclusive"}))
	b.WithPanel(target(coloured(graph("Missed and extra", ratio, "missed: the app's stream delivered it, and polling would not have; none is allowed. extra: polling would have, and that stream lost it.",
		query{`sum(rate(sluice_shadow_missed_total{@}[@])) / sum(rate(sluice_shadow_compared_total{@}[@]))`, "missed"},
		query{`sum(rate(sluice_shadow_extra_total{@}[@])) / sum(rate(sluice_shadow_compared_total{@}[@]))`, "extra"}), "missed", "extra"), step{ExtraTarget, "yellow"}))
	b.WithPanel(coloured(graph("How much later polls are", seconds, "Time by which polling delivers an item later than the app's stream; below 0 it is earlier. Both look once in 5 s.",
		quantiles(`histogram_quantile(%s, sum by (le) (rate(sluice_shadow_lateness_seconds_bucket{@}[@])))`)...), "p50", "p95", "p99"))

	b.row("Cohorts side by side")
	b.WithPanel(wide(target(coloured(graph("Staleness of the cohorts, p95", seconds, "Who polls, and who is on the bridged stream at the same time. What the app's own stream delivers passes through and is not measured.",
		query{cohort, "{{transport}}"}), "poll", "bridge"), step{StalenessTarget, "red"})))
	b.WithPanel(wide(coloured(graph("Items", items, "Items delivered to each cohort, repeats included.",
		query{`sum by (transport) (rate(sluice_notifications_delivered_total{@}[@]))`, "{{transport}}"}), "poll", "bridge")))

	b.row("What is left of the old")
	b.WithPanel(graph("Users on the old stream", count, "Distinct users over the last 24 hours, of all gateways.", query{`max(sluice_compat_legacy_clients{@} >= 0)`, "users"}))
	b.WithPanel(target(graph("Alarms of old pages", times, "Ends of an old page's stream an hour. Deploys and proxies that cut streams show here.", query{alarms, "an hour and page"}), step{AlarmTarget, "red"}))
	b.WithPanel(graph("Pages with the drop-in", perSecond, "Pages of users on poll, by whether they got the script, and if not why. Only with compat.inject_shim.",
		query{`sum by (result) (rate(sluice_shim_injections_total{@}[@]))`, "{{result}}"}).AxisSoftMax(1))
	return b
}

// phase names the one that the rollout is in.
func phase() *stat.PanelBuilder {
	p := number("Phase", count, "The rollout's phase. `sluice rollout status` says why it is there.", query{`max by (phase) (sluice_rollout_phase{@}) == 1`, "{{phase}}"}, "blue").
		TextMode(common.BigValueTextModeName).GraphMode(common.BigValueGraphModeNone).NoValue("no rollout")
	for _, name := range []string{"completed", "paused", "aborted"} {
		p.OverrideByName(name, fixed(colours[name]))
	}
	return p
}

// check is one panel for each check, in its own unit.
func check() *timeseries.PanelBuilder {
	measured := `max(sluice_rollout_analysis_value{@, metric="$check"})`
	limit := `max(sluice_rollout_analysis_limit{@, metric="$check", bound="%s"})`
	return coloured(plot("$check", times, "What the check last measured, between its limits. A gap means that it had no data.",
		query{measured, "value"}, query{quantile(limit, "min"), "minimum"}, query{quantile(limit, "max"), "maximum"}), "value", "minimum", "maximum").
		Repeat("check").MaxPerRow(4)
}

// transitions are the vertical lines: changes of the rollout's phase and stream.
func transitions() *dashboard.AnnotationQueryBuilder {
	expr := promql(`sum by (from, to, cause) (increase(sluice_rollout_transitions_total{@}[@])) > 0`)
	return dashboard.NewAnnotationQueryBuilder().Name("Transitions").Datasource(source()).Enable(true).IconColor("purple").Expr(expr).
		TitleFormat("{{from}} to {{to}}").TextFormat("by {{cause}}").Target(prometheus.NewDataqueryBuilder().Expr(expr).RefId("Anno"))
}
