package compat

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/servertest"
)

// dial runs a bridge in a real server for the time of a test, and connects to it.
func dial(t *testing.T, b *Bridge, expires time.Duration) net.Conn {
	t.Helper()
	p := servertest.NewPipes()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Serve(w, r, alice, time.Now().Add(expires))
	})}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(p) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	conn, err := p.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// The response ends as HTTP wants it, however long ago its last event was, and
// the connection serves the next request, however late that comes.
func TestResponsesAreComplete(t *testing.T) {
	for _, expires := range []time.Duration{time.Second, beat - time.Second, beat + time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			source := &rows{}
			source.add(time.Minute, "a")
			conn := dial(t, newBridge(source, &tally{}), expires)
			in := bufio.NewReader(conn)
			for range 2 {
				ask(t, conn)
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %d, %v after %q", expires, resp.StatusCode, err, body)
				}
				if r := readEvents(string(body)); len(r.events) != 1 || r.rest != "" {
					t.Errorf("%+v", r)
				}
				time.Sleep(time.Minute)
			}
		})
	}
}

// A reader that does not read is given up, and holds nothing.
func TestAReaderThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &rows{}, &tally{}
		source.add(time.Minute, "a")
		b := newBridge(source, seen)
		conn := dial(t, b, time.Hour)
		ask(t, conn)
		time.Sleep(writeTimeout - time.Millisecond)
		synctest.Wait()
		if got := seen.soFar(); got.opened != 1 || len(got.closed) != 0 {
			t.Errorf("before the time-out: %+v", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := seen.soFar(); !slices.Equal(got.closed, []Reason{Gone}) || b.Drain() != 0 {
			t.Errorf("after the time-out: %+v", got)
		}
	})
}

// Nor does it hold up the end of its own stream for long.
func TestAReaderThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &tally{}
		b := newBridge(&rows{}, seen)
		conn := dial(t, b, time.Hour)
		ask(t, conn)
		in := bufio.NewReader(conn)
		for line := ""; !strings.HasPrefix(line, "retry:"); {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(beat + writeTimeout)
		synctest.Wait()
		if got := seen.soFar(); !slices.Equal(got.closed, []Reason{Gone}) {
			t.Errorf("%s after the first heartbeat: %+v", writeTimeout, got)
		}
	})
}
