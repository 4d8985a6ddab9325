package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// Report is all that was measured, and on what.
type Report struct {
	Date        string       `json:"date"`
	Commit      string       `json:"commit"`
	Size        string       `json:"size"`
	Machine     []string     `json:"machine"` // kernel, processor, versions of the programs
	Experiments []Experiment `json:"experiments"`
}

// bin is the folder with the built programs.
var bin string

// Program is the path of a program that Main has built.
func Program(name string) string { return filepath.Join(bin, name) }

// Main builds programs, runs the tests and then writes the report to the folder
// SLUICE_BENCH_OUT: results.json, RESULTS.md and a plot of each experiment. It returns
// the status for os.Exit.
func Main(m *testing.M, packages ...string) int {
	status := servertest.RunWithPrograms(m, func(folder string) { bin = folder }, packages...)
	folder := os.Getenv("SLUICE_BENCH_OUT")
	if folder == "" || len(recorded.experiments) == 0 {
		return status
	}
	r := Report{
		Date: time.Now().UTC().Format(time.DateOnly), Commit: os.Getenv("SLUICE_BENCH_COMMIT"),
		Size: os.Getenv("SLUICE_BENCH"), Machine: machine(), Experiments: recorded.experiments,
	}
	if err := r.Write(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// Write writes the report's files.
func (r Report) Write(folder string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	files := map[string]string{"results.json": string(data) + "\n", "RESULTS.md": r.Markdown()}
	for _, e := range r.Experiments {
		files[e.file()] = e.plot()
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// machine tells what the figures depend on, besides Sluice.
func machine() []string {
	found := []string{runtime.Version()}
	for _, command := range []string{
		`echo "$(nproc --all) processors"`,
		`sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1`, `uname -sr`,
		`redis-server --version | sed 's/.*v=\([^ ]*\).*/Redis \1/'`, `nginx -v 2>&1 | sed 's/.*: //'`, `wrk --version | head -1 | cut -d' ' -f1,2`,
	} {
		out, err := exec.Command("sh", "-c", command).Output()
		if text := strings.TrimSpace(string(out)); err == nil && text != "" {
			found = append(found, text)
		}
	}
	return found
}

// Markdown is the report for people.
func (r Report) Markdown() string {
	var b strings.Builder
	size := sizes[r.Size]
	fmt.Fprintf(&b, "# What Sluice costs, beside what one would pick instead\n\nWritten by `./bench/run` on %s, commit %s: %s.\n", r.Date, r.Commit, strings.Join(r.Machine, "; "))
	fmt.Fprintf(&b, "What is measured has core %s; the load and all other servers share core %s. Figures are medians of %d runs of %s each, those of closed loops of %d of %s, with the\nlowest and the highest; contenders take turns. Commands: `taskset -c %s` before what is measured; the load is `wrk -t1 -c%d -s lab/wrk.lua` or the open loop of `lab/openloop.go`. Each answer's status and body was compared with what it should be. \"All CPU\" is that of the servers, without the load.\n",
		ServerCore, LoadCore, size.Repeats, size.Run, Turns*size.Repeats, size.Run/Turns, ServerCore, connections)
	b.WriteString("\n| Work | Target | Measured | |\n|---|---|---|---|\n")
	for _, e := range r.Experiments {
		for _, row := range e.Rows {
			o, err := e.Outcome(row)
			if err != nil {
				continue // the test has failed by it
			}
			verdict := o.verdict()
			if !o.Reached && row.Why != "" {
				verdict += ": " + row.Why
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.Work, row.target(), o.text(row), verdict)
		}
	}
	for _, e := range r.Experiments {
		b.WriteString(e.markdown())
	}
	return b.String()
}

func (e Experiment) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| | %s |\n|---|%s\n", e.Title, e.Method, strings.Join(e.Columns, " | "), strings.Repeat("---|", len(e.Columns)))
	for _, m := range e.Measured {
		fmt.Fprintf(&b, "| %s |", m.Name)
		for _, figure := range e.Columns {
			fmt.Fprintf(&b, " %s |", m.text(figure))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n![%s](%s)\n\n", e.Title, e.file())
	for _, m := range e.Measured {
		if m.What != "" {
			fmt.Fprintf(&b, "- %s: %s\n", m.Name, m.What)
		}
	}
	return b.String()
}

// file is the name of the experiment's plot.
func (e Experiment) file() string {
	return strings.ReplaceAll(strings.ToLower(e.Title), " ", "-") + ".svg"
}

func (m Measured) text(figure string) string {
	values := m.Values[figure]
	if len(values) == 0 {
		return "—"
	}
	return fmt.Sprintf("%s (%s)", Number(Median(values)), between(values))
}

func (o Outcome) text(r Row) string {
	what := r.Figure
	if r.Against != "" {
		what = "× in " + r.Figure
	}
	return fmt.Sprintf("%s (%s) %s", Number(o.Value), between([]float64{o.Low, o.High}), what)
}

func (o Outcome) verdict() string {
	if o.Reached {
		return "reached"
	}
	return "**not reached**"
}

func (r Row) target() string {
	text := "≥ " + Number(r.AtLeast)
	if r.AtMost != 0 {
		text = "≤ " + Number(r.AtMost)
	}
	if r.Against != "" {
		text += " × " + r.Against
	}
	return text
}
