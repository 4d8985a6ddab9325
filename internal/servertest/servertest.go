// Package servertest starts real servers for tests: on free loopback ports, in
// temporary folders, stopped at the end of the test.
package servertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Ports of tests lie below those that the kernel hands out by itself (Linux: 32768 and
// up), which another server or a client might get between FreePort and its use.
const firstPort, lastPort = 10_000, 32_767

// handedOut are the ports that FreePort has returned, none of them twice: a server
// that is about to start does not hold its port yet.
var handedOut sync.Map

// FreePort returns a loopback port that was free a moment ago, another one each time.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func freePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, before := handedOut.LoadOrStore(port, true); before {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port")
}

// Redis is a redis-server of this test's own.
type Redis struct {
	Addr string
	URL  string
	cmd  *exec.Cmd
	port int
	dir  string
	args []string // its configuration file comes first
}

// StartRedis starts a redis-server that keeps nothing on disk.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	return startRedis(t, FreePort(t))
}

func startRedis(t testing.TB, port int, args ...string) *Redis {
	t.Helper()
	r := &Redis{Addr: fmt.Sprintf("127.0.0.1:%d", port), port: port, dir: t.TempDir(), args: args}
	r.URL = "redis://" + r.Addr + "/0"
	r.Start(t)
	t.Cleanup(r.Kill)
	return r
}

// Start starts the server, again after Kill, and waits until it answers.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed; ./scripts/test installs it")
	}
	args := append(slices.Clone(r.args), "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--dir", r.dir)
	r.cmd = exec.Command(path, args...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "redis-server answers", func() bool { return ping(r.Addr) })
}

func ping(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 5)
	_, err = conn.Read(answer)
	return err == nil && string(answer) == "+PONG"
}

// Kill ends the server at once, as a crash would.
func (r *Redis) Kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
}

// PID is the number of the server's process, which must run.
func (r *Redis) PID() int { return r.cmd.Process.Pid }

// Freeze stops the server without closing its connections: it hangs.
func (r *Redis) Freeze() { _ = r.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (r *Redis) Thaw() { _ = r.cmd.Process.Signal(syscall.SIGCONT) }

// Patience is how long Eventually waits; a machine under load is slow.
const Patience = 30 * time.Second

// Eventually waits for a condition, and fails the test if it does not come true.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	Within(t, Patience, what, condition)
}

// Within is Eventually for what has a time limit of its own.
func Within(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not within %s: %s", limit, what)
}
