package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// startBeforeApp is a gateway on fake time, whose app is reached over pipes too.
func startBeforeApp(t *testing.T, app http.HandlerFunc) *running {
	t.Helper()
	r, pipes := startOnFakeTime(t), servertest.NewPipes()
	to := r.app.(*httputil.ReverseProxy).Transport.(announcing).RoundTripper.(*http.Transport)
	to.DialContext = pipes.Dial
	server := &http.Server{Handler: app}
	go server.Serve(pipes)
	t.Cleanup(func() {
		r.stop()
		<-r.returned
		to.CloseIdleConnections()
		server.Close()
	})
	return r
}

// connect opens a connection that the test reads.
func connect(t *testing.T, to *servertest.Pipes) net.Conn {
	t.Helper()
	conn, err := to.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Who says nothing, or stops in the middle, is let go when their time is over; the
// clients that are slow for good reasons are in the tests behind this one.
func TestSilentClientsAreLetGo(t *testing.T) {
	const head, poll = "GET / HTTP/1.1\r\nHost: x\r\n", "GET /api/notifications HTTP/1.1\r\nHost: x\r\n"
	for name, c := range map[string]struct {
		sent   string
		every  time.Duration // between its bytes; 0: all at once
		admin  bool
		after  time.Duration
		answer string
	}{
		"nothing at all":                {"", 0, false, slowHeader, ""},
		"half of a header":              {head, 0, false, slowHeader, ""},
		"a header in drops":             {head + strings.Repeat("X: y\r\n", 50), time.Second, false, slowHeader, ""},
		"nothing after an answer":       {head + "\r\n", 0, false, idleTimeout, "200 OK"},
		"half of a header after one":    {head + "\r\n" + head, 0, false, slowHeader, "200 OK"},
		"half of a body":                {head + "Content-Length: 10\r\n\r\nhello", 0, false, silentBody, "408 Request Timeout"},
		"half of a chunk":               {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, false, silentBody, "408 Request Timeout"},
		"no body of a poll":             {poll + "Content-Length: 10\r\n\r\n", 0, false, silentBody, "401 Unauthorized"},
		"nothing, to operators":         {"", 0, true, slowHeader, ""},
		"half of a header, to them":     {head, 0, true, slowHeader, ""},
		"half of a body, to them":       {"POST /internal/changed HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", 0, true, silentBody, "403 Forbidden"},
		"nothing after an answer there": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 0, true, idleTimeout, "200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startBeforeApp(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
				to := r.public
				if c.admin {
					to = r.admin
				}
				conn, began := connect(t, to), time.Now()
				go func() {
					for i := 0; c.every > 0 && i < len(c.sent); i++ {
						if _, err := io.WriteString(conn, c.sent[i:i+1]); err != nil {
							return
						}
						time.Sleep(c.every)
					}
					if c.every == 0 {
						io.WriteString(conn, c.sent)
					}
				}()
				got, _ := io.ReadAll(conn)
				if took := time.Since(began); took != c.after {
					t.Errorf("let go after %v, want %v", took, c.after)
				}
				if !strings.HasPrefix(strings.TrimPrefix(string(got), "HTTP/1.1 "), c.answer) {
					t.Errorf("answered %q, want %q", got, c.answer)
				}
			})
		})
	}
}

// speakers are clients of a gateway on fake time, by protocol.
func (r *running) speakers() map[string]*http.Client {
	all := map[string]*http.Client{}
	for name, choose := range map[string]func(*http.Protocols){"HTTP/1.1": http1, "HTTP/2": h2c} {
		p := new(http.Protocols)
		choose(p)
		transport := &http.Transport{DialContext: r.dial, Protocols: p}
		r.t.Cleanup(transport.CloseIdleConnections)
		all[name] = &http.Client{Transport: transport}
	}
	return all
}

// An upload and an answer take as long as they take, and may be silent for some time;
// an answer for any time. An app that is slow to read is no silent client.
func TestWhatGoesOnHasNoLimit(t *testing.T) {
	const parts, pause = 6, silentBody - time.Second
	synctest.Test(t, func(t *testing.T) {
		r := startBeforeApp(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(2 * silentBody)
			body, err := io.ReadAll(r.Body)
			for range 3 {
				time.Sleep(10 * time.Minute)
				fmt.Fprintln(w, len(body), err)
				w.(http.Flusher).Flush()
			}
		})
		for name, client := range r.speakers() {
			upload, write := io.Pipe()
			go func() {
				for range parts {
					time.Sleep(pause)
					io.WriteString(write, strings.Repeat("x", 10_000))
				}
				write.Close()
			}()
			resp, err := client.Post("http://public/x", "", upload)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := strings.Repeat(fmt.Sprintln(parts*10_000, nil), 3); string(got) != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", name, got, err, want)
			}
		}
	})
}

// A connection that has become something else may be silent for as long as it likes.
func TestAnUpgradedConnectionHasNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startBeforeApp(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, in, _ := http.NewResponseController(w).Hijack()
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			io.Copy(conn, in)
		})
		conn := connect(t, r.public)
		send(t, conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		in := bufio.NewReader(conn)
		readUntil(t, in, "\r\n\r\n")
		for range 3 {
			time.Sleep(10 * time.Minute)
			send(t, conn, "hello")
			readUntil(t, in, "hello")
		}
		conn.Close()
	})
}

// Who takes nothing of an answer is given up, and so is the app's end of it: over HTTP/2
// it is one stream of a connection that is well.
func TestAnAnswerThatNobodyTakes(t *testing.T) {
	const pause = time.Second
	synctest.Test(t, func(t *testing.T) {
		released := make(chan time.Time, 2)
		r := startBeforeApp(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(pause) // ReverseProxy flushes the header behind a lock, on which fake time would wait for ever
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 1<<16))
			}
			released <- time.Now()
		})
		for name, client := range r.speakers() {
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://public/endless", nil)
			began := time.Now()
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			select {
			case at := <-released:
				if took := at.Sub(began) - pause; took < stalledWrite-sharedLimit || took > stalledWrite {
					t.Errorf("%s: the app is let go after %v, want %v or a little less", name, took, stalledWrite)
				}
			case <-time.After(10 * stalledWrite):
				t.Fatalf("%s: the app is not let go", name)
			}
			if other, err := client.Get("http://public/"); err != nil || other.StatusCode != http.StatusOK {
				t.Errorf("%s: another request: %v", name, err)
			}
			resp.Body.Close()
			cancel()
		}
	})
}

// plenty has more to tell than a connection holds by itself.
type plenty struct{}

func (plenty) Read(context.Context, backend.Caller, backend.Query) (p backend.Page, err error) {
	for range 100 {
		p.Items = append(p.Items, backend.Notification{Text: strings.Repeat("x", 1000)})
	}
	return p, nil
}

// Nor does anybody who takes nothing of the answers to their polls hold up a connection,
// or the polls of others.
func TestPollsThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startOnFakeTime(t)
		r.limits.reads.most, r.source = 1, plenty{}
		t.Cleanup(func() { r.stop(); <-r.returned })
		conn := connect(t, r.public)
		send(t, conn, "GET /api/notifications HTTP/1.1\r\nHost: x\r\nCookie: access_token="+tokenFor(t, "alice")+"\r\n\r\n")
		synctest.Wait()
		r.want("another poll", r.ask("http://public/api/notifications"), http.StatusOK)
		time.Sleep(stalledWrite + time.Millisecond)
		if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
			t.Errorf("%v later the connection is open, or was given %q: %v", stalledWrite, got, err)
		}
	})
}

// An app that does not begin its answer in time, if there is such a time, is given up;
// what it has begun goes on.
func TestAnAppThatDoesNotBegin(t *testing.T) {
	const begin = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		r := startBeforeApp(t, func(w http.ResponseWriter, r *http.Request) {
			pause, _ := time.ParseDuration(r.URL.Query().Get("begin"))
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(10 * begin)
			io.WriteString(w, "to the end")
		})
		r.app.(*httputil.ReverseProxy).Transport.(announcing).RoundTripper.(*http.Transport).ResponseHeaderTimeout = begin
		for pause, want := range map[time.Duration]int{begin - time.Second: http.StatusOK, begin + time.Second: http.StatusGatewayTimeout} {
			e := r.want(pause.String(), r.ask("http://public/x?begin="+pause.String()), want)
			if want == http.StatusOK && e.body != "to the end" {
				t.Errorf("%v: %q", pause, e.body)
			}
		}
	})
	if d := config.Default().Upstream.Begin; d != 0 {
		t.Errorf("by default an app has to begin within %v", d)
	}
	g := newRig(t, func(c *config.Config) { c.Upstream.Begin = begin }).gateway
	if got := g.app.(*httputil.ReverseProxy).Transport.(announcing).RoundTripper.(*http.Transport).ResponseHeaderTimeout; got != begin {
		t.Errorf("configured is %v, and in force %v", begin, got)
	}
}

// Whoever takes back a limit of their own leaves the connection with its usual one.
func TestALimitThatWasTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &patientConn{Conn: ours}
		go func() { _, _ = io.ReadFull(theirs, make([]byte, 1)) }() // and nothing more
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
		_ = c.SetWriteDeadline(time.Time{})
		began := time.Now()
		time.AfterFunc(10*stalledWrite, func() { ours.Close() })
		if _, err := c.Write([]byte("y")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != stalledWrite {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
