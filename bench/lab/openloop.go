package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// OpenLoop asks so many times a second on average, whatever the answers do, as users
// do who know nothing of each other. Latency counts from when a request was due: one
// that had to wait because the answers before it were late is as late as its user saw
// it (no coordinated omission).
func (r *Requests) OpenLoop(t testing.TB, perSecond float64, servers ...int) Figures {
	t.Helper()
	due := arrivals(perSecond, Measuring().Run)
	before := CPU(t, servers...)
	took, err := r.sendAt(due, connections)
	if err != nil {
		t.Fatalf("%s: %v", r.Base, err)
	}
	used := CPU(t, servers...) - before
	slices.Sort(took)
	return Figures{
		P50: milliseconds(Quantile(took, 0.5)), P99: milliseconds(Quantile(took, 0.99)),
		TotalCPU: used.Seconds() * 100_000 / float64(len(took)),
	}
}

// Once sends each request once, as fast as answers come.
func (r *Requests) Once(t testing.TB) {
	t.Helper()
	if _, err := r.sendAt(make([]time.Duration, len(r.Each)), connections); err != nil {
		t.Fatalf("%s: %v", r.Base, err)
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// arrivals are the moments of a Poisson process, from its start on. They are the same
// each time, so that all contenders have the same crowds.
func arrivals(perSecond float64, long time.Duration) (due []time.Duration) {
	random := rand.New(rand.NewPCG(1, 2))
	for at := 0.0; ; {
		at += random.ExpFloat64() / perSecond
		if at >= long.Seconds() {
			return due
		}
		due = append(due, time.Duration(at*float64(time.Second)))
	}
}

// patience is how long no answer may come while one is waited for.
const patience = 30 * time.Second

// sendAt sends a request at each of the moments, over so many connections, and returns
// how long after its moment each had its answer. It keeps one core busy: timers and
// Go's scheduler would be late by more than a fast server takes.
func (r *Requests) sendAt(due []time.Duration, most int) ([]time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, err := r.dial(most)
	defer l.close()
	if err != nil {
		return nil, err
	}
	took := make([]time.Duration, 0, len(due))
	start, sent, last := time.Now(), 0, time.Duration(0)
	for len(took) < len(due) {
		now := time.Since(start)
		for ; sent < len(due) && due[sent] <= now && len(l.idle) > 0; sent++ {
			if err := l.send(l.requests[sent%len(l.requests)], due[sent]); err != nil {
				return nil, err
			}
		}
		answered, err := l.receive(r.Body)
		if err != nil {
			return nil, err
		}
		now = time.Since(start)
		for _, at := range answered {
			took = append(took, now-at)
		}
		if len(answered) > 0 {
			last = now
		} else if now > max(last, due[min(sent, len(due)-1)])+patience {
			return nil, fmt.Errorf("%d of %d answers did not come: the last one %s ago", len(due)-len(took), len(due), patience)
		}
	}
	return took, nil
}

// loop is connections and what waits on them, in one thread.
type loop struct {
	epoll    int
	files    []*os.File
	requests [][]byte
	idle     []int            // descriptors without a request under way
	waiting  map[int]*waiting // by descriptor
	events   [connections]unix.EpollEvent
	answered []time.Duration
}

// waiting is a request under way.
type waiting struct {
	due      time.Duration
	received []byte
}

func (r *Requests) dial(most int) (*loop, error) {
	l := &loop{waiting: map[int]*waiting{}}
	host := strings.TrimPrefix(r.Base, "http://")
	for _, each := range r.Each {
		l.requests = append(l.requests, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nSluice-Client: 1.0.0\r\nSluice-Elapsed: 5\r\n\r\n", each.Target, host, each.Cookie))
	}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return l, err
	}
	l.files = append(l.files, os.NewFile(uintptr(l.epoll), "epoll"))
	for range most {
		if err := l.connect(host); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l *loop) connect(host string) error {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the file is a second one of the connection
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	l.files = append(l.files, f)
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	l.idle = append(l.idle, fd)
	l.waiting[fd] = &waiting{}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *loop) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// send takes the connection that has been idle the shortest.
func (l *loop) send(request []byte, due time.Duration) error {
	fd := l.idle[len(l.idle)-1]
	l.idle = l.idle[:len(l.idle)-1]
	w := l.waiting[fd]
	w.due, w.received = due, w.received[:0]
	if n, err := unix.Write(fd, request); err != nil || n < len(request) {
		return fmt.Errorf("a request was not sent: %d of %d bytes, %w", n, len(request), err)
	}
	return nil
}

// receive takes what has come, and returns when each request that is now answered was
// due. An answer that is wrong is an error.
func (l *loop) receive(body string) ([]time.Duration, error) {
	l.answered = l.answered[:0]
	n, err := unix.EpollWait(l.epoll, l.events[:], 0)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, err
	}
	for _, event := range l.events[:max(n, 0)] {
		w := l.waiting[int(event.Fd)]
		w.received = slices.Grow(w.received, 4096)
		free := w.received[len(w.received):cap(w.received)]
		got, err := unix.Read(int(event.Fd), free)
		if err != nil || got == 0 {
			return nil, fmt.Errorf("the connection ended: %w", err)
		}
		w.received = w.received[:len(w.received)+got]
		whole, err := check(w.received, body)
		if err != nil {
			return nil, err
		}
		if whole {
			l.answered = append(l.answered, w.due)
			l.idle = append(l.idle, int(event.Fd))
		}
	}
	return l.answered, nil
}

// check tells whether an answer is there as a whole, and what is wrong with it.
func check(received []byte, body string) (whole bool, err error) {
	if !bytes.Contains(received, []byte("\r\n\r\n")) {
		return false, nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(received)), nil)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return false, nil
	case err != nil:
		return false, err
	case resp.StatusCode != http.StatusOK || string(got) != body:
		return false, fmt.Errorf("a wrong answer: %d %s", resp.StatusCode, got)
	}
	return true, nil
}
