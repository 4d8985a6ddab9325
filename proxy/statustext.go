package proxy

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// headline is where the rollout is, in one line.
func (s rolloutStatus) headline() string {
	name := cmp.Or(s.Name, "rollout")
	if s.Phase == "" {
		return name + ": not begun, or not known"
	}
	line := fmt.Sprintf("%s: %s", name, s.Phase)
	if s.Phase == control.Progressing || s.Phase == control.Paused {
		line += fmt.Sprintf(" at step %d of %d", s.Step, len(s.Steps)-1)
	}
	return fmt.Sprintf("%s, %d %% on poll, stream %s (version %d)", line, s.Weight, s.Stream, s.Version)
}

// text is the status for people, as of now.
func (s rolloutStatus) text(now time.Time) string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(&b, s.headline())
	if s.Reason != "" {
		label := "Why"
		if s.Phase == control.Progressing {
			label = "Waiting"
		}
		line(label, "%s%s", strings.TrimPrefix(s.Reason, "waiting "), s.until(now))
	}
	if s.Since != nil {
		line("Since", "%s (%s ago)%s", stamp(*s.Since), ago(now, *s.Since), s.step(now))
	}
	s.warnings(line)
	if s.LastAbort != nil {
		line("Aborted", "%s by %s: %s", stamp(s.LastAbort.At), s.LastAbort.Actor, because(*s.LastAbort))
	}
	writeSteps(&b, s)
	writeCheckTable(&b, s, now)
	writeAudit(&b, s)
	fmt.Fprintf(&b, "\n%d %s; this one, %s, %s.\n", s.Replicas, map[bool]string{true: "gateway", false: "gateways"}[s.Replicas == 1], s.Replica, map[bool]string{true: "leads", false: "follows"}[s.Leader])
	return b.String()
}

// warnings say what keeps the rollout from being what it seems.
func (s rolloutStatus) warnings(line func(label, format string, args ...any)) {
	switch {
	case s.Frozen != "" && s.Phase == "":
		line("FROZEN", "the flag file alone is in force, until it is known where the rollout is: %s", s.Frozen)
	case s.Frozen != "":
		line("FROZEN", "the last state stays in force: %s", s.Frozen)
	}
	for _, flag := range s.Disabled {
		line("DISABLED", "%s, in the flag file: all its users are on the safe side", flag)
	}
	if s.OtherSpec {
		line("SPEC", "this gateway has another spec than the rollout under way")
	}
}

// until says when what is waited for will be, where that is known.
func (s rolloutStatus) until(now time.Time) string {
	switch {
	case s.StepEnds != nil && s.Reason == control.ForTime:
		return fmt.Sprintf(": another %s", left(now, *s.StepEnds))
	case s.RetryFrom != nil && s.RetryFrom.After(now):
		return fmt.Sprintf("; retry is possible in %s", left(now, *s.RetryFrom))
	}
	return ""
}

func (s rolloutStatus) step(now time.Time) string {
	if s.Phase != control.Progressing || s.StepBegan == nil {
		return ""
	}
	text := fmt.Sprintf("; the step for %s", ago(now, *s.StepBegan))
	if s.Deadline != nil {
		text += fmt.Sprintf(", its deadline in %s", left(now, *s.Deadline))
	}
	return text
}

func writeSteps(b *strings.Builder, s rolloutStatus) {
	b.WriteString("\n")
	for i, step := range s.Steps {
		mark := "  "
		switch {
		case i < s.Step && s.Phase != "":
			mark = "✓ "
		case i == s.Step && s.Phase != "":
			mark = "> "
		}
		fmt.Fprintf(b, "  %s%-3d %s\n", mark, i, step)
	}
}

func writeCheckTable(b *strings.Builder, s rolloutStatus, now time.Time) {
	if len(s.Checks) == 0 {
		return
	}
	b.WriteString("\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHECK\tVALUE\tLIMIT\tSAMPLES\tPASSED\tFAILED\tNEXT\t")
	for _, c := range s.Checks {
		fmt.Fprintln(table, strings.Join(c.cells(now), "\t"))
	}
	_ = table.Flush() // a builder takes everything
}

func (c checkStatus) cells(now time.Time) []string {
	name, value, samples, passed, next := c.Name, "-", strconv.Itoa(c.Samples), strconv.Itoa(c.Passed), "-"
	if c.Background {
		name += " (all along)"
	}
	if c.Value != nil {
		value = strconv.FormatFloat(*c.Value, 'g', 4, 64)
	}
	if c.MinSamples > 0 {
		samples += fmt.Sprintf(" of %d", c.MinSamples)
	}
	if c.Count > 0 {
		passed += fmt.Sprintf(" of %d", c.Count)
	}
	if c.Next != nil {
		next = "in " + left(now, *c.Next)
	}
	return []string{name, value, c.Limit, samples, passed, fmt.Sprintf("%d, %d allowed", c.Failed, c.FailureLimit), next, c.Note}
}

// auditShown is how many entries the terminal shows; JSON has more.
const auditShown = 8

func writeAudit(b *strings.Builder, s rolloutStatus) {
	if len(s.Audit) == 0 {
		return
	}
	b.WriteString("\n")
	for _, e := range s.Audit[max(0, len(s.Audit)-auditShown):] {
		fmt.Fprintf(b, "  %s  %-6s %s -> %s  by %s: %s\n", stamp(e.At), e.Change, cmp.Or(e.From, "-"), e.To, e.Actor, because(e))
	}
}

// because is an entry's cause, with the value that brought it about.
func because(e control.Entry) string {
	if e.Value == nil {
		return e.Cause
	}
	return fmt.Sprintf("%s (%s was %.4g, want %s)", e.Cause, e.Check, *e.Value, e.Threshold)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func ago(now, t time.Time) string  { return spec.Short(max(now.Sub(t), 0).Round(time.Second)) }
func left(now, t time.Time) string { return ago(t, now) }
