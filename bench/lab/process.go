package lab

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// Start starts a program on a core; it ends with the test. What it logs goes to a file,
// as under a supervisor: to read it here would cost time of the load's core.
func Start(t testing.TB, core string, environ []string, path string, args ...string) *servertest.Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	all := append([]string{"-c", `exec taskset -c "$@" 2>>"$0"`, log, core, path}, args...)
	p := servertest.StartProcess(t, environ, "sh", all...)
	t.Cleanup(func() { // before the process ends
		if t.Failed() {
			t.Logf("%s logged, at last:\n%s", path, tail(log))
		}
	})
	return p
}

// tail is the end of a file.
func tail(path string) string {
	const most = 4 << 10
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, end-most), io.SeekStart)
	}
	text, _ := io.ReadAll(f)
	return string(text)
}

// Answers waits until a GET is answered, and not with a fault of the server's (5xx).
func Answers(t testing.TB, url string) {
	t.Helper()
	servertest.Eventually(t, url+" answers", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode < http.StatusInternalServerError
	})
}

// tick is the kernel's unit of processor time for user space (USER_HZ), on every
// architecture that Go runs on.
const tick = time.Second / 100

// CPU is the processor time that processes have used so far, with their children: user
// and system time, to 10 ms.
func CPU(t testing.TB, pids ...int) (used time.Duration) {
	t.Helper()
	for _, pid := range pids {
		text := read(t, pid, "stat")
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // from the state on, the third field
		for _, field := range fields[11:15] {                               // utime, stime, cutime, cstime: proc(5)
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			used += time.Duration(n) * tick
		}
		used += CPU(t, children(t, pid)...)
	}
	return used
}

// RSS is the memory that processes have in use, with their children, in bytes.
func RSS(t testing.TB, pids ...int) (bytes int64) {
	t.Helper()
	for _, pid := range pids {
		_, rest, found := strings.Cut(read(t, pid, "status"), "VmRSS:")
		var kilobytes int64
		if _, err := fmt.Sscan(rest, &kilobytes); !found || err != nil {
			t.Fatalf("process %d has no memory: %v", pid, err)
		}
		bytes += kilobytes<<10 + RSS(t, children(t, pid)...)
	}
	return bytes
}

// catches tells whether a process has a handler for a signal.
func catches(t testing.TB, pid int, signal syscall.Signal) bool {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, pid, "status"), "SigCgt:")
	var mask uint64
	if _, err := fmt.Sscanf(rest, "%x", &mask); err != nil {
		t.Fatal(err)
	}
	return mask&(1<<(signal-1)) != 0
}

func children(t testing.TB, pid int) (pids []int) {
	t.Helper()
	for _, field := range strings.Fields(read(t, pid, filepath.Join("task", strconv.Itoa(pid), "children"))) {
		child, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}

func read(t testing.TB, pid int, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
