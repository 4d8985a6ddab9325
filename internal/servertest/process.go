package servertest

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Process is a program that runs until the test ends, at the latest.
type Process struct {
	Stdout, Stderr Output
	t              testing.TB
	cmd            *exec.Cmd
	exited         chan struct{}
}

// lastWords is how much of what a program wrote a failed test shows.
const lastWords = 8 << 10

// StartProcess starts a program; environ adds to the test's own environment.
func StartProcess(t testing.TB, environ []string, path string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.Stdout, &p.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // the state says how
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			text := p.Stderr.String()
			t.Logf("%s wrote, at last:\n%s", path, text[max(0, len(text)-lastWords):])
		}
	})
	return p
}

// Kill ends the process at once, as a crash would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Terminate asks the process to end, as a supervisor does.
func (p *Process) Terminate() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Status waits for the end.
func (p *Process) Status() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// Running fails the test if the process has ended.
func (p *Process) Running() {
	p.t.Helper()
	select {
	case <-p.exited:
		p.t.Fatalf("%s has ended: %s", p.cmd.Path, p.Stderr.String())
	default:
	}
}

// Line waits for the first line on standard output.
func (p *Process) Line() (line string) {
	p.t.Helper()
	Eventually(p.t, p.cmd.Path+" writes a line", func() bool {
		p.Running()
		var whole bool
		line, _, whole = strings.Cut(p.Stdout.String(), "\n")
		return whole
	})
	return line
}

// Logged waits for a log line and returns its fields.
func (p *Process) Logged(message string) (fields map[string]any) {
	p.t.Helper()
	Eventually(p.t, "the log says "+message, func() bool {
		for line := range strings.Lines(p.Stderr.String()) {
			fields = nil
			if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message {
				return true
			}
		}
		return false
	})
	return fields
}
