package scale

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// table is Markdown.
type table struct{ strings.Builder }

func newTable(columns ...string) *table {
	t := &table{}
	t.row(columns...)
	t.row(make([]string, len(columns))...)
	return t
}

// row writes one; the second is the line below the head.
func (t *table) row(cells ...string) {
	line := "| " + strings.Join(cells, " | ") + " |\n"
	if strings.Count(t.String(), "\n") == 1 {
		line = "|" + strings.Repeat("---|", len(cells)) + "\n"
	}
	t.WriteString(line)
}

// section puts a text between the comments of a name in a document.
func section(file, name, text string) error {
	document, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(string(document), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for %s; write %s%s into it", file, name, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+strings.TrimSpace(text)+"\n"+end+after), 0o644)
}

// windowsTable tells of parts of a run, as the whole fleet has them.
func windowsTable(s Settings, m *measured, windows []window) string {
	whole := float64(million) / float64(s.Users)
	t := newTable("When", "Polls/s", "of which fail", "Reads/s", "busiest second", "Redis commands/s", "Interval told", "Staleness p50", "p95", "p99")
	for _, w := range windows {
		polls := m.rate(w.from, w.until, func(s sample) int64 { return s.polls })
		failed := m.rate(w.from, w.until, func(s sample) int64 { return s.failed })
		stale := m.staleness(w.from, w.until, 0.5, 0.95, 0.99)
		t.row(w.what, rounded(polls*whole), percent(failed/polls),
			rounded(whole*m.rate(w.from, w.until, func(s sample) int64 { return s.reads })),
			rounded(whole*float64(m.most(w.from, w.until, func(s sample) int64 { return s.reads }))),
			rounded(whole*m.rate(w.from, w.until, sample.commands)),
			fmt.Sprintf("%.0f s", m.told(w.from, w.until).Seconds()), seconds(stale[0]), seconds(stale[1]), seconds(stale[2]))
	}
	return fmt.Sprintf("Simulated with %s users, and counted for a million.\n\n%s", rounded(float64(s.Users)), t)
}

// told is the longest interval between two moments, in the mean over gateways.
func (m *measured) told(from, until time.Duration) (most time.Duration) {
	for _, d := range m.interval[min(int(from/time.Second), len(m.interval)):min(int(until/time.Second), len(m.interval))] {
		most = max(most, d)
	}
	return most
}

// rounded has three digits, and commas.
func rounded(v float64) string {
	if v < 1 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(v))-2))
	digits := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func percent(share float64) string {
	if share == 0 || math.IsNaN(share) {
		return "0"
	}
	if share < 0.01 {
		return "below 1 %"
	}
	return strconv.FormatFloat(share*100, 'f', 0, 64) + " %"
}

func seconds(v float64) string {
	if v == 0 {
		return "none came"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " s"
}
