package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/backend"
	"sluice/internal/servertest"
	"sluice/proxy/config"
)

const (
	testGrace    = 3 * time.Second
	testDeadline = 15 * time.Second
)

// running is a gateway that serves over pipes, on fake time.
type running struct {
	*Gateway
	t             *testing.T
	public, admin *servertest.Pipes
	client        *http.Client
	logs          *observer.ObservedLogs
	stop          context.CancelFunc
	returned      chan error
}

func startOnFakeTime(t *testing.T) *running {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	createAppTables(t, path)
	c := config.Default()
	c.Store.Driver, c.Store.DSN = "sqlite", config.NewSecret(path)
	c.Auth.Key = config.NewSecret(testKey)
	c.Drain = config.Drain{Grace: testGrace, Deadline: testDeadline}
	core, logs := observer.New(zapcore.DebugLevel)
	g, err := New(c, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Gateway: g, t: t, public: servertest.NewPipes(), admin: servertest.NewPipes(), logs: logs, returned: make(chan error, 1)}
	transport := &http.Transport{DialContext: r.dial}
	r.client = &http.Client{Transport: transport}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.returned <- g.serve(ctx, listeners{r.public, r.admin}, g.Handler()) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// dial tells the two listeners apart by name.
func (r *running) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasPrefix(address, "admin") {
		return r.admin.Dial(ctx, network, address)
	}
	return r.public.Dial(ctx, network, address)
}

// ended is an answer, and when it ended.
type ended struct {
	reply
	err error
	at  time.Time
}

// ask asks as alice, without waiting for the answer.
func (r *running) ask(url string) <-chan ended {
	result := make(chan ended, 1)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(r.t, "alice")})
	go func() {
		var e ended
		resp, err := r.client.Do(req)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			e.reply = reply{resp.StatusCode, resp.Header, string(body)}
		}
		e.err, e.at = err, time.Now()
		result <- e
	}()
	synctest.Wait()
	return result
}

// want waits for an answer that is whole.
func (r *running) want(name string, answer <-chan ended, status int) ended {
	r.t.Helper()
	e := <-answer
	if e.err != nil || e.status != status {
		r.t.Errorf("%s: %d %s, %v", name, e.status, e.body, e.err)
	}
	return e
}

// slow takes its time for each read.
type slow struct {
	backend.Source
	takes time.Duration
}

func (s slow) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
	}
	return s.Source.Read(ctx, c, q)
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startOnFakeTime(t)
		r.source = slow{r.source, 2 * time.Second}
		stream := r.ask("http://public/api/stream")
		r.want("ready", r.ask("http://admin/readyz"), 200)
		time.Sleep(20 * time.Second)

		began := time.Now()
		r.stop()
		synctest.Wait()
		if e := r.want("not ready at once", r.ask("http://admin/readyz"), 503); !strings.Contains(e.body, "draining") || e.at != began {
			t.Errorf("%s after %s", e.body, e.at.Sub(began))
		}
		r.want("a poll in the grace", r.ask("http://public/api/notifications"), 200)
		time.Sleep(testGrace - 2*time.Second - time.Millisecond)
		if len(stream) > 0 {
			t.Error("the stream ended within the grace")
		}
		under := r.ask("http://public/api/notifications")

		e := r.want("stream", stream, 200)
		if after := e.at.Sub(began); after != testGrace || !strings.HasSuffix(e.body, "\n\n") {
			t.Errorf("the stream ended after %s with %q", after, e.body)
		}
		if _, err := r.public.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the port is still open: %v", err)
		}
		if e := r.want("a poll under way", under, 200); e.at.Sub(began) != testGrace+2*time.Second-time.Millisecond {
			t.Errorf("it ended after %s", e.at.Sub(began))
		}
		if err := <-r.returned; err != nil || time.Since(began) > testGrace+3*time.Second {
			t.Errorf("returned after %s: %v", time.Since(began), err)
		}
		if line := r.logs.FilterMessage("drained").All()[0].ContextMap(); line["streams_ended"] != int64(1) || line["cut_off"] != false {
			t.Errorf("%v", line)
		}
	})
}

// Streams that do not end, and readers that do not read, are cut off at the
// deadline and hold nothing up beyond it.
func TestDrainKeepsItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startOnFakeTime(t)
		r.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				fmt.Fprint(w, "data: on and on\n\n")
				http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
				}
			}
		})
		endless := r.ask("http://public/api/pipelines/stream")
		for _, path := range []string{"/api/pipelines/stream", "/api/stream"} {
			stuck, err := r.public.Dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer stuck.Close()
			send(t, stuck, raw("", "GET "+path+" HTTP/1.1", "Host: x", "Cookie: access_token="+tokenFor(t, "alice")))
		}
		time.Sleep(time.Second)

		began := time.Now()
		r.stop()
		if err := <-r.returned; err != nil {
			t.Errorf("returned %v", err)
		}
		if took := time.Since(began); took != testDeadline {
			t.Errorf("returned after %s", took)
		}
		if e := <-endless; e.err == nil || e.at.Sub(began) != testDeadline {
			t.Errorf("the endless stream ended after %s: %v", e.at.Sub(began), e.err)
		}
		if line := r.logs.FilterMessage("drained").All()[0].ContextMap(); line["cut_off"] != true {
			t.Errorf("%v", line)
		}
	})
}
