package spec

import (
	"fmt"
	"strconv"
	"strings"

	"sluice/rollout"
)

// String is the plan for people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d steps, %s at the earliest%s.\n", title(p.Name), len(p.Steps), p.Lasts, p.waits())
	fmt.Fprintf(&b, "At the start %d %% of %s are on poll; the stream is %s.\n\n", p.StartWeight, p.crowd(), streamName(p.StartStream))
	users := "USERS"
	if p.Users == 0 {
		users = ""
	}
	writeRow(&b, "STEP", "AT", "DOES", "POLL", users, "MOVED", "STREAM")
	for _, s := range p.Steps {
		writeStep(&b, s)
	}
	writeRow(&b, "done", p.Lasts.String()+after(p.totalWaits()), "", "", "", "", "")
	if len(p.Checks) > 0 {
		fmt.Fprintf(&b, "\nBeside the steps, from step %d on:\n", p.StartingStep)
		writeChecks(&b, p.Checks)
	}
	fmt.Fprintf(&b, "\n%s", p.abort())
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

// writeRow writes a line of the table of steps.
func writeRow(b *strings.Builder, cells ...any) {
	line := fmt.Sprintf("%-5s %-8s %-26s %6s %11s %11s  %s", cells...)
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func writeStep(b *strings.Builder, s PlannedStep) {
	users, moved := "", ""
	if s.Change != 0 {
		moved = fmt.Sprintf("%+d %%", s.Change)
	}
	if s.OnPoll != nil {
		users = thousands(*s.OnPoll)
	}
	if s.Moved != nil && s.Change != 0 {
		moved = moved[:1] + thousands(max(*s.Moved, -*s.Moved))
	}
	writeRow(b, strconv.Itoa(s.Step), s.At.String()+after(s.AfterWaits), s.does(), fmt.Sprintf("%d %%", s.Weight), users, moved, streamName(s.Stream))
	writeChecks(b, s.Checks)
}

// String says what a step does.
func (st Step) String() string {
	switch {
	case st.WaitsFor() == ForPromotion:
		return "pause until promoted"
	case st.Verb == Pause:
		return "pause " + Short(st.Pause)
	case st.Verb == SetWeight:
		return fmt.Sprintf("setWeight %d", st.Weight)
	case st.Verb == SetStream:
		return fmt.Sprintf("setStream %s", st.Stream)
	}
	var names []string
	for _, m := range st.Metrics {
		names = append(names, m.Name)
	}
	return "analysis of " + strings.Join(names, ", ")
}

// after marks a time that promotions and the like come on top of.
func after(waits int) string { return strings.Repeat("+", min(waits, 1)) }

func (s PlannedStep) does() string {
	switch {
	case s.WaitsFor == ForPromotion:
		return "pause until promoted"
	case s.WaitsFor == ForOldPages:
		return "setStream retired, gated"
	case s.Verb == SetWeight:
		return fmt.Sprintf("setWeight %d", s.Weight)
	case s.Verb == SetStream:
		return fmt.Sprintf("setStream %s", s.Stream)
	}
	return fmt.Sprintf("%s %s", s.Verb, s.Lasts)
}

func (p Plan) totalWaits() (n int) {
	for _, s := range p.Steps {
		if s.WaitsFor != "" {
			n++
		}
	}
	return n
}

// waits tells what comes on top of the earliest times.
func (p Plan) waits() string {
	var all []string
	for _, s := range p.Steps {
		if s.WaitsFor != "" {
			all = append(all, fmt.Sprintf("step %d (%s)", s.Step, s.WaitsFor))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return ", + what it waits for: " + strings.Join(all, ", ")
}

func writeChecks(b *strings.Builder, checks []PlannedCheck) {
	for _, c := range checks {
		fmt.Fprintf(b, "        %s\n", c)
	}
}

// String says what passes, how often it must, and what else can happen.
func (c PlannedCheck) String() string {
	parts := []string{c.Name + " " + Range{Min: c.Min, Max: c.Max}.In(c.Unit)}
	if c.Count > 0 {
		parts = append(parts, fmt.Sprintf("%d times, once in %s", c.Count, c.Interval))
	} else {
		parts = append(parts, fmt.Sprintf("once in %s", c.Interval))
	}
	parts = append(parts, fmt.Sprintf("%d may fail", c.FailureLimit))
	switch check, _ := CheckNamed(c.Name); {
	case c.Source == Internal:
		parts = append(parts, fmt.Sprintf("%s below %d %s", c.OnNoData, c.MinSamples, check.Sample))
	case c.Address == "":
		parts = append(parts, fmt.Sprintf("%s, since there is no address", c.OnNoData))
	default:
		parts = append(parts, fmt.Sprintf("%s without a result from %s", c.OnNoData, c.Address))
	}
	if c.DryRun {
		parts = append(parts, "dry run")
	}
	return strings.Join(parts, "; ")
}

// In is the range in words, of values with a unit.
func (r Range) In(u Unit) string {
	switch u {
	case Ratio, Count:
		return r.String()
	case Seconds:
		return r.String() + " s"
	}
	return r.String() + string(u)
}

// String is the range in words.
func (r Range) String() string {
	switch {
	case r.Min == nil && r.Max == nil:
		return "none"
	case r.Max == nil:
		return fmt.Sprintf("at least %g", *r.Min)
	case r.Min == nil:
		return fmt.Sprintf("at most %g", *r.Max)
	}
	return fmt.Sprintf("%g to %g", *r.Min, *r.Max)
}

// abort tells what ends the rollout, and how.
func (p Plan) abort() string {
	deadline, again := "", ""
	if p.ProgressDeadline > 0 {
		deadline = fmt.Sprintf(", and so does a step that takes longer than %s", p.ProgressDeadline)
	}
	if p.Cooldown > 0 {
		again = fmt.Sprintf("; retry is refused for %s", p.Cooldown)
	}
	return fmt.Sprintf("A check that fails too often aborts%s. An abort goes back to %d %%%s.\n", deadline, p.RollbackWeight, again)
}

func (p Plan) crowd() string {
	if p.Users == 0 {
		return "the users"
	}
	return thousands(p.Users) + " users"
}

func title(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

func streamName(s rollout.Stream) string {
	if s == "" {
		return "by flag file"
	}
	return string(s)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
