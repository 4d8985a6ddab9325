// Package lab measures programs side by side: each pinned to a core of its own, one
// after the other in many short runs, every answer checked. What comes out is an
// Experiment, and Main writes all of them as JSON, as a document and as plots.
//
// A benchmark is a test of package bench:
//
//	server := lab.Start(t, lab.ServerCore, nil, lab.Program("sluice"), "serve")
//	lab.Answers(t, "http://127.0.0.1:8080/")
//	measured := lab.Interleave(t, lab.Contender{Name: "Sluice", Run: func(t testing.TB) lab.Figures {
//		before := lab.CPU(t, server.PID())
//		…
//		return lab.Figures{lab.ServerCPU: …}
//	}}, …)
//	lab.Record(t, lab.Experiment{Title: …, Columns: …, Measured: measured, Rows: …})
//
// ./bench/run says how long it measures, by SLUICE_BENCH: "full" is what is published,
// "quick" is for development. Without it, as in ./scripts/test, everything runs for a
// moment only, so that it does not rot; then there are no verdicts, and nothing is written.
package lab

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// Cores, as taskset names them. What is measured has one of its own; the load, and
// all the servers behind what is measured, share the other. ./bench/run puts the tests
// themselves on LoadCore, and whatever they start inherits that.
const (
	ServerCore = "0"
	LoadCore   = "1"
)

// Size is how much is measured.
type Size struct {
	Repeats int           // runs of each contender
	Run     time.Duration // of one run
}

// sizes by the value of SLUICE_BENCH.
var sizes = map[string]Size{
	"full":  {5, 3 * time.Second},
	"quick": {2, time.Second},
	"":      {1, 100 * time.Millisecond},
}

// Turns is in how many parts the runs of a closed loop are measured: the sooner contenders
// follow each other, the less it matters that the machine's other guests slow down one.
const Turns = 3

// Measuring is the size that was asked for.
func Measuring() Size { return sizes[os.Getenv("SLUICE_BENCH")] }

// Smoke tells whether nothing is measured: it is only tried out that everything works.
func Smoke() bool { return os.Getenv("SLUICE_BENCH") == "" }

// Pick is a number of users, streams or the like, by how much is measured.
func Pick(full, quick, smoke int) int {
	switch os.Getenv("SLUICE_BENCH") {
	case "full":
		return full
	case "quick":
		return quick
	}
	return smoke
}

// Need skips the test if a program is missing, which ./bench/run installs.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed; ./bench/run installs it", p)
		}
	}
}
