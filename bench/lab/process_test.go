package lab

import (
	"os"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// What a process and its children use is seen, and on which core they run.
func TestProcess(t *testing.T) {
	Need(t, "taskset")
	p := Start(t, ServerCore, []string{"GREETING=hello"}, "sh", "-c", `echo "$GREETING"; (while :; do :; done) & wait`)
	if p.Line() != "hello" {
		t.Error("the environment is not there")
	}
	servertest.Eventually(t, "a child works", func() bool { return CPU(t, p.PID()) > 50*tick })
	if alone, all := read(t, p.PID(), "stat"), children(t, p.PID()); len(all) != 1 || !strings.Contains(alone, "(sh)") {
		t.Errorf("children %v of %s", all, alone)
	}
	if status := read(t, p.PID(), "status"); !strings.Contains(status, "Cpus_allowed_list:\t0\n") {
		t.Error(status)
	}
	if rss := RSS(t, p.PID()); rss < 500<<10 || rss > 50<<20 {
		t.Errorf("two shells have %d bytes", rss)
	}
	kill(t, children(t, p.PID()))
}

func kill(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if child, err := os.FindProcess(pid); err == nil {
			_ = child.Kill()
		}
	}
}
