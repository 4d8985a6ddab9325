package lab

import (
	"cmp"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/servertest"
)

//go:embed wrk.lua
var wrkScript string

// Requests are GETs that are sent in turn, each with a user's cookie.
type Requests struct {
	Base string // http://host:port
	Each []Request
	// What each is answered with. To Saturate the status is 200 unless it says something
	// else, to OpenLoop always.
	Status int
	Body   string
	files  string // folder of what wrk reads; made when it is needed
}

// Request is one user's.
type Request struct{ Target, Cookie string }

// connections of the load: enough to keep a server busy, as in anchors of the field.
const connections = 64

// Saturate asks with wrk, for a turn, as fast as the answers come: a closed loop, which tells how
// much a server can do. (Its latencies are those of a server with 64 requests waiting.)
// servers are measured, of which the first is the one under test.
func (r *Requests) Saturate(t testing.TB, servers ...int) Figures {
	t.Helper()
	before := make([]time.Duration, len(servers))
	out, busy := r.wrk(t, Measuring().Run/Turns, func() { // what a server does while wrk makes ready is no part of it
		for i, pid := range servers {
			before[i] = CPU(t, pid)
		}
	})
	f, requests, err := r.parse(out)
	if err != nil {
		t.Fatal(err)
	}
	for i, pid := range servers {
		used := (CPU(t, pid) - before[i]).Seconds() * 100_000 / requests
		if f[TotalCPU] += used; i == 0 {
			f[ServerCPU] = used
		}
	}
	f[LoadBusy] = busy.Seconds() * f[Rate] / requests
	return f
}

// wrk asks for so long, and returns what wrk wrote and the processor time it took. begun
// is called at the beginning.
func (r *Requests) wrk(t testing.TB, long time.Duration, begun func()) (out string, busy time.Duration) {
	t.Helper()
	if r.files == "" {
		r.files = t.TempDir()
		var lines strings.Builder
		for _, each := range r.Each {
			fmt.Fprintln(&lines, each.Target, each.Cookie)
		}
		write(t, r.script(), wrkScript)
		write(t, r.list(), lines.String())
	}
	var written servertest.Output
	cmd := exec.Command("wrk", "-t1", fmt.Sprint("-c", min(connections, len(r.Each))), "-d1h",
		"-s", r.script(), r.Base, "--", r.list(), fmt.Sprint(cmp.Or(r.Status, http.StatusOK)), r.Body)
	cmd.Stdout, cmd.Stderr = &written, &written
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	// It takes whole seconds only, and else ends in good order when it is interrupted:
	// once it has begun, which its handler of that signal shows.
	servertest.Eventually(t, "wrk has begun", func() bool { return catches(t, cmd.Process.Pid, syscall.SIGINT) })
	begun()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for wait := long; ; wait = 100 * time.Millisecond { // once more if it was not asleep yet
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("wrk: %v\n%s", err, written.String())
			}
			return written.String(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		case <-time.After(wait):
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
}

func (r *Requests) script() string { return filepath.Join(r.files, "wrk.lua") }
func (r *Requests) list() string   { return filepath.Join(r.files, "requests") }

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// parse reads what wrk.lua says at its end. An answer that was wrong is an error.
func (r *Requests) parse(out string) (f Figures, requests float64, err error) {
	_, line, found := strings.Cut(out, "figures: ")
	var micros, failed, p50, p99, wrong float64
	if _, err := fmt.Sscan(line, &requests, &micros, &failed, &p50, &p99, &wrong); !found || err != nil {
		return nil, 0, fmt.Errorf("wrk says nothing of its figures: %w\n%s", err, out)
	}
	if failed > 0 || wrong > 0 || requests == 0 {
		return nil, 0, fmt.Errorf("%s: of %.0f answers %.0f did not come and %.0f were wrong: %s", r.Base, requests, failed, wrong, line)
	}
	return Figures{Rate: requests / micros * 1e6, P50: p50 / 1e3, P99: p99 / 1e3}, requests, nil
}
