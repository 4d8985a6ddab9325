package proxy

import (
	"fmt"
	"strconv"
	"strings"

	"sluice/backend/tune"
)

// barWidth is how long the longest bar of the chart is, in characters.
const barWidth = 24

// text is the report for people.
func (r tuneReport) text() string {
	var b strings.Builder
	m := r.Measured
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "Measured over %s, %s:\n", humanSeconds(r.Window), counted(m.Gateways, "gateway"))
	line("clients", "%s that poll as they are told", number(m.Clients))
	line("polls", "%s/s, %s empty; %s/s of others, which no interval moves", number(m.Polls), percent(m.Empty), number(m.Unmoved))
	line("interval", "told %ss, really %ss; items find clients in waits %s times as long as told", number(m.Advised), orDash(m.Observed), number(m.Stretch))
	line("staleness", "%ss at %s of %s items/s (target %ss); %ss of an item's age are no wait for a poll", orDash(m.Staleness), percentile(r.Target.Quantile),
		number(m.Items), number(r.Target.Staleness), number(m.Overhead))
	line("cost", "%s reads of the app's data for each delivered item; the cache saves %s/s", orDash(m.Reads), orDash(m.Saved))
	fmt.Fprintf(&b, "\nRecommended: poll.interval %ds (%s)\n", r.Recommended.Whole, r.reason())
	if !r.Recommended.Feasible {
		fmt.Fprintf(&b, "Infeasible: %s\n", r.infeasible())
	}
	if m.Clients == 0 {
		b.WriteString("No poll tells how long its client has waited (Sluice-Elapsed): there are no clients that would follow the interval.\n")
	}
	r.chart(&b)
	return b.String()
}

// reason says what the recommendation was chosen by.
func (r tuneReport) reason() string {
	switch r.Recommended.LimitedBy {
	case tune.ByBudget:
		return fmt.Sprintf("as often as %s polls/s allow: %ss", number(r.Target.PollBudget), number(r.Recommended.Interval))
	case tune.ByFloor:
		return "the shortest there is"
	case tune.ByCeiling:
		return "poll.ceiling"
	}
	return fmt.Sprintf("the longest that keeps the staleness target: %ss", number(r.Recommended.Interval))
}

func (r tuneReport) infeasible() string {
	needs := r.Recommended.Needs
	switch {
	case needs == nil:
		return fmt.Sprintf("an item's age is %ss without any wait for a poll, so no interval meets %ss", number(r.Measured.Overhead), number(r.Target.Staleness))
	case r.Recommended.Stale < tune.Floor:
		return fmt.Sprintf("the target needs an interval of %ss, and clients take no less than %ds", number(r.Recommended.Stale), tune.Floor)
	}
	return fmt.Sprintf("the target needs %s polls/s", number(*needs))
}

// chart shows what each interval brings: staleness and polls as bars. The mark in a
// bar is the target, and the budget.
func (r tuneReport) chart(b *strings.Builder) {
	var worst, most float64
	for _, p := range r.Intervals {
		worst, most = max(worst, p.Staleness), max(most, p.Polls)
	}
	fmt.Fprintf(b, "\n  interval  %-*s  polls/s, at most\n", barWidth+9, "staleness at "+percentile(r.Target.Quantile))
	for _, p := range r.Intervals {
		note := ""
		if p.Interval == int(r.Measured.Advised+0.5) {
			note = "  <- now"
		}
		if p.Interval == r.Recommended.Whole {
			note += "  <- recommended"
		}
		fmt.Fprintf(b, "  %7ds  %s %7ss  %s %s%s\n", p.Interval, bar(p.Staleness, r.Target.Staleness, worst), number(p.Staleness),
			bar(p.Polls, r.Target.PollBudget, most), number(p.Polls), note)
	}
}

// bar is a value as a line, of at most most, with a mark where the limit is.
func bar(value, limit, most float64) string {
	at := func(v float64) int { return int(v/most*barWidth + 0.5) }
	line := []byte(strings.Repeat("#", at(value)) + strings.Repeat(" ", barWidth-at(value)))
	if mark := at(limit); limit > 0 && mark < barWidth {
		line[mark] = '|'
	}
	return string(line)
}

// number has three digits that say something.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func orDash(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(*v)
}

func percent(v *float64) string {
	if v == nil {
		return "- %"
	}
	return number(100**v) + " %"
}

func percentile(q float64) string { return number(100*q) + " %" }

func counted(n float64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

func humanSeconds(s float64) string {
	switch {
	case s >= 3600 && int(s)%3600 == 0:
		return number(s/3600) + "h"
	case s >= 60 && int(s)%60 == 0:
		return number(s/60) + "m"
	}
	return number(s) + "s"
}
