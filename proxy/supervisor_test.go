package proxy

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"sluice/internal/servertest"
)

// told is a supervisor's socket.
type told struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func listenAsSupervisor(t *testing.T) *told {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &told{t, path, conn}
}

// next is the next message that is not about life.
func (s *told) next() string {
	s.t.Helper()
	for {
		if text := s.any(); text != "WATCHDOG=1" {
			return text
		}
	}
}

func (s *told) any() string {
	s.t.Helper()
	b := make([]byte, 4096)
	_ = s.conn.SetReadDeadline(time.Now().Add(servertest.Patience))
	n, err := s.conn.Read(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b[:n])
}

// systemd is told when the gateway serves, reloads, drains, and again and again that
// it lives.
func TestTheSupervisorIsTold(t *testing.T) {
	s := listenAsSupervisor(t)
	p := launch(t, anyPorts("NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=40000"), "serve")
	if got := s.next(); got != "READY=1" {
		t.Fatalf("at first %q", got)
	}
	p.started()
	servertest.Eventually(t, "it lives", func() bool { return s.any() == "WATCHDOG=1" })
	hangUp(t)
	got := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=(\d+)$`).FindStringSubmatch(s.next())
	if got == nil {
		t.Fatal("a reload is not told as systemd wants it")
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	if usec, _ := strconv.ParseInt(got[1], 10, 64); now.Nano()/1000-usec < 0 || now.Nano()/1000-usec > servertest.Patience.Microseconds() {
		t.Errorf("the reload began at %d, now it is %d", usec, now.Nano()/1000)
	}
	if got := s.next(); got != "READY=1" {
		t.Errorf("after the reload %q", got)
	}
	p.stop()
	if got := s.next(); got != "STOPPING=1" {
		t.Errorf("at last %q", got)
	}
	if status := p.stopped(); status != 0 || strings.Contains(p.stderr.String(), "cannot be told") {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}

// A process that does not answer itself is silent, so that it is started again.
func TestSilenceOfAProcessThatHangs(t *testing.T) {
	s := listenAsSupervisor(t)
	synctest.Test(t, func(t *testing.T) {
		above := newSupervisor([]string{"NOTIFY_SOCKET=" + s.path, "WATCHDOG_USEC=10000000"}, zap.NewNop())
		ctx, stop := context.WithTimeout(t.Context(), 28*time.Second)
		defer stop()
		asked := 0
		above.watch(ctx, func(context.Context) error {
			if asked++; asked == 2 || asked == 3 {
				return errors.New("hangs")
			}
			return nil
		})
		if asked != 5 {
			t.Errorf("asked %d times in 28 s, want once in 5 s", asked)
		}
	})
	supervisor{socket: s.path}.tell("the end")
	for _, want := range []string{"WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "the end"} {
		if got := s.any(); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// A supervisor that is gone, or none, stops nothing.
func TestWithoutASupervisor(t *testing.T) {
	for _, environ := range [][]string{nil, {"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "none"), "WATCHDOG_USEC=x"}} {
		p := launch(t, anyPorts(environ...), "serve")
		p.started()
		if status := p.stopped(); status != 0 || strings.Count(p.stderr.String(), "the supervisor cannot be told") != len(environ) { // READY=1 and STOPPING=1
			t.Errorf("%v: status %d: %s", environ, status, p.stderr.String())
		}
	}
}
