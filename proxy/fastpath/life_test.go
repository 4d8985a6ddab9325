package fastpath

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// world is a server over pipes, in fake time.
type world struct {
	*testing.T
	server   *http.Server
	fast     *Listener
	pipes    pipes
	shutdown func(context.Context) error
}

func newWorld(t *testing.T, handler http.HandlerFunc) *world {
	w := &world{T: t, pipes: newPipes()}
	r := route
	r.Idle, r.Handler = time.Minute, handler
	w.fast = NewListener(w.pipes, r)
	w.server = &http.Server{Handler: echo, IdleTimeout: time.Minute, ReadHeaderTimeout: time.Second, ConnState: w.fast.ConnState, ErrorLog: log.New(io.Discard, "", 0)}
	w.shutdown = w.fast.Shutdown(w.server)
	go func() { _ = w.server.Serve(w.fast) }()
	t.Cleanup(func() { _ = w.server.Close() })
	return w
}

// client is a connection whose first request has been answered by net/http.
type client struct {
	net.Conn
	r *bufio.Reader
}

func (w *world) client() *client {
	w.Helper()
	here, there := net.Pipe()
	w.pipes.conns <- addressed{there}
	w.Cleanup(func() { here.Close() })
	c := &client{here, bufio.NewReader(here)}
	if resp, err := c.ask(page); err != nil || resp.StatusCode != http.StatusOK {
		w.Fatal(resp, err)
	}
	synctest.Wait()
	return c
}

// addressed has addresses that a pipe has not.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9} }

// ask sends a request, and reads the answer whole.
func (c *client) ask(request string) (*http.Response, error) {
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return resp, err
}

// ended tells whether the server has ended the connection.
func (c *client) ended() bool {
	_, err := c.r.ReadByte()
	return err == io.EOF
}

// A connection ends when nothing has come for as long as it may be idle, and not before.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWorld(t, echo).client()
		for range 10 {
			time.Sleep(50 * time.Second)
			if _, err := c.ask(poll); err != nil {
				t.Fatal(err)
			}
		}
		last := time.Now()
		if !c.ended() || time.Since(last) < 50*time.Second || time.Since(last) > time.Minute {
			t.Errorf("it ended after %v", time.Since(last))
		}
	})
}

// Limits that were set for polls are none for what net/http answers after them.
func TestNetHTTPKeepsItsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWorld(t, echo).client()
		_, _ = c.ask(poll)
		_, _ = io.WriteString(c, page[:10])
		start := time.Now()
		if _, err := io.ReadAll(c.r); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("half a header was waited for, for %v: %v", time.Since(start), err)
		}
	})
}

// An answer that is under way is written before the server is shut down, and one that
// takes too long is not waited for.
func TestShutdown(t *testing.T) {
	for name, c := range map[string]struct {
		takes, limit time.Duration
		want         error
	}{
		"in time":  {time.Second, 5 * time.Second, nil},
		"too late": {time.Hour, 5 * time.Second, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(c.takes); echo(w, r) })
			client := w.client()
			answered := make(chan error, 1)
			go func() { _, err := client.ask(poll); answered <- err }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			start := time.Now()
			if err := w.shutdown(ctx); err != c.want || time.Since(start) > c.limit+time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			if <-answered != nil || !client.ended() || time.Since(start) > c.takes+time.Second {
				t.Errorf("%s: it is not answered and then ended", name)
			}
		})
	}
}

// A handler can end the connection with its answer.
func TestTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			echo(w, r)
		}).client()
		resp, err := c.ask(poll)
		if err != nil || !resp.Close || resp.Header["Connection"] != nil && len(resp.Header["Connection"]) != 1 || !c.ended() {
			t.Errorf("%+v %v", resp, err)
		}
	})
}

// An answer has nothing of the one before.
func TestAnswersStandAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
			if n++; n%2 == 1 {
				w.Header().Set("X-Secret", "alice's")
				w.WriteHeader(http.StatusTooManyRequests)
			}
			echo(w, r)
		}).client()
		for i := range 6 {
			resp, err := c.ask(poll)
			if err != nil {
				t.Fatal(err)
			}
			if odd := i%2 == 0; (resp.Header.Get("X-Secret") != "") != odd || (resp.StatusCode != http.StatusOK) != odd {
				t.Errorf("%d: %s %v", i, resp.Status, resp.Header)
			}
		}
	})
}

// A handler that panics takes its connection along, and nothing else.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "after_id=x" {
				panic(http.ErrAbortHandler)
			}
			echo(w, r)
		})
		bad, good := w.client(), w.client()
		_, _ = io.WriteString(bad, poll)
		if !bad.ended() {
			t.Error("the connection goes on")
		}
		if resp, err := good.ask(poll[:len("GET /api/notifications?after_id=")] + "y" + poll[len("GET /api/notifications?after_id=x"):]); err != nil || resp.StatusCode != http.StatusOK {
			t.Error(resp, err)
		}
		synctest.Wait()
		if n := w.fast.underWay.Load(); n != 0 {
			t.Errorf("%d under way", n)
		}
	})
}

// Every client gets the answer to its own request, over real sockets and at the same
// time.
func TestNothingIsMixedUp(t *testing.T) {
	l, err := nettest.NewLocalListener("tcp")
	if err != nil {
		t.Fatal(err)
	}
	r := route
	r.Idle, r.Handler = time.Minute, echo
	fast := NewListener(l, r)
	server := &http.Server{Handler: echo, ConnState: fast.ConnState}
	go func() { _ = server.Serve(fast) }()
	defer server.Close()
	failed := make(chan error)
	for n := range 20 {
		go func() { failed <- askAll(l.Addr().String(), n) }()
	}
	for range 20 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
