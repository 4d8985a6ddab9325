package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// held are streams that are open, over plain connections, so that the load's core has
// time for all of them.
type held struct {
	conns []net.Conn
	heard func(line []byte, at time.Time) // called for each data line, from many goroutines
	begun atomic.Int64                    // streams of which something came
	lost  atomic.Int64                    // streams that ended by themselves
	done  atomic.Bool
	all   sync.WaitGroup
}

// opening is how many streams are opened at a time.
const opening = 50

// hold opens n streams, the target and the cookie of each being what request says, and
// waits until something came over each.
func hold(t testing.TB, s node, n int, request func(i int) (target, cookie string), heard func([]byte, time.Time)) *held {
	t.Helper()
	h := &held{conns: make([]net.Conn, n), heard: heard}
	host := strings.TrimPrefix(s.url, "http://")
	var group sync.WaitGroup
	for first := range opening {
		group.Go(func() {
			for i := first; i < n; i += opening {
				target, cookie := request(i)
				if err := h.open(i, host, target, cookie); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	servertest.Eventually(t, "all streams are held", func() bool { return t.Failed() || h.begun.Load() == int64(n) })
	return h
}

// open opens one, and returns when the first bytes have come.
func (h *held) open(i int, host, target, cookie string) error {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	h.conns[i] = conn
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nCookie: %s\r\n\r\n", target, host, cookie); err != nil {
		return err
	}
	first := make([]byte, 512)
	length, err := conn.Read(first)
	if err != nil || !bytes.HasPrefix(first, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("a stream was answered with %q, %w", first[:length], err)
	}
	h.begun.Add(1)
	h.all.Go(func() { h.read(conn) })
	return nil
}

// read hands on data lines. Chunks end with lines, and their sizes look like no field.
func (h *held) read(conn net.Conn) {
	for in := bufio.NewReaderSize(conn, 1024); ; {
		line, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			if !h.done.Load() {
				h.lost.Add(1)
			}
			return
		}
		if bytes.HasPrefix(line, []byte("data: ")) && h.heard != nil {
			h.heard(line, time.Now())
		}
	}
}

// release ends all of them, and fails the test if one has ended before.
func (h *held) release(t testing.TB) {
	t.Helper()
	h.done.Store(true)
	for _, conn := range h.conns {
		if conn != nil {
			conn.Close()
		}
	}
	h.all.Wait()
	if n := h.lost.Load(); n > 0 {
		t.Errorf("%d streams ended by themselves", n)
	}
}
