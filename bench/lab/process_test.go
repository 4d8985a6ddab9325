package lab

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/servertest"
)

// What a process and its children use is seen, and on which core they run.
func TestProcess(t *testing.T) {
	Need(t, "taskset")
	p := Start(t, ServerCore, []string{"GREETING=hello"}, "sh", "-c", `echo "$GREETING"; (while :; do :; done) & wait`)
	t.Cleanup(func() { // before its parent ends
		for _, pid := range children(t, p.PID()) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
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
	var alone int64
	_, rest, _ := strings.Cut(read(t, p.PID(), "status"), "VmRSS:")
	if _, err := fmt.Sscan(rest, &alone); err != nil || RSS(t, p.PID()) < alone<<10+100<<10 {
		t.Errorf("a shell has %d KiB, with its child %d bytes", alone, RSS(t, p.PID()))
	}
	if own := RSS(t, os.Getpid()); own > 1<<30 { // it has more addresses than that
		t.Errorf("this process has %d bytes", own)
	}
}
