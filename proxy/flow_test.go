package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/proxy/config"
)

// pieces is an app that sends a piece of its answer only when the test has seen
// the piece before: nothing on the way may hold one back.
type pieces struct {
	seen   chan struct{}
	header http.Header
}

func newPieces(header ...string) *pieces {
	p := &pieces{make(chan struct{}), http.Header{}}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		p.header.Set(name, value)
	}
	return p
}

func (p *pieces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	flush := w.(http.Flusher).Flush
	flush() // the header alone is the first piece
	for i := range 5 {
		select {
		case <-p.seen:
		case <-r.Context().Done():
			return
		}
		io.WriteString(w, piece(i))
		flush()
	}
}

// piece is one event, of 10 bytes.
func piece(i int) string { return fmt.Sprintf("data: %02d\n\n", i) }

func TestEveryPieceArrivesBeforeTheNextIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		header []string
	}{
		"the pipeline stream":           {"/api/pipelines/stream?job_id=7", []string{"Content-Type: text/event-stream"}},
		"the legacy stream on upstream": {"/api/stream", []string{"Content-Type: text/event-stream"}},
		"a poll on sse":                 {"/api/notifications", []string{"Content-Type: application/json"}},
		"any other answer":              {"/report", nil},
		"an answer of known length":     {"/report", []string{"Content-Length: 50"}},
		"a compressed answer":           {"/report", []string{"Content-Encoding: gzip"}},
	} {
		t.Run(name, func(t *testing.T) {
			app := newPieces(c.header...)
			r, _ := before(t, app)
			conn := dial(t, r.public.URL)
			send(t, conn, raw("", "GET "+c.target+" HTTP/1.1", "Host: app.test", "Cookie: access_token="+tokenFor(t, "alice")))
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				app.seen <- struct{}{}
				got := make([]byte, len(piece(i)))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != piece(i) {
					t.Fatalf("piece %d: %q, %v", i, got, err)
				}
			}
			if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
				t.Errorf("after the last piece: %q, %v", rest, err)
			}
		})
	}
}

// An app may answer while it still reads: uploads with progress, gRPC-like calls.
func TestAnswersWhileTheUploadRuns(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		for body := bufio.NewReader(r.Body); ; {
			line, err := body.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprintf(w, "got %s", line)
			control.Flush()
		}
	}))
	conn := dial(t, r.public.URL)
	send(t, conn, raw("", "POST /upload HTTP/1.1", "Host: app.test", "Transfer-Encoding: chunked"))
	in := bufio.NewReader(conn)
	for i := range 5 {
		line := fmt.Sprintf("line %d\n", i)
		send(t, conn, fmt.Sprintf("%x\r\n%s\r\n", len(line), line))
		readUntil(t, in, "got "+line)
	}
	send(t, conn, "0\r\n\r\n")
	readUntil(t, in, "0\r\n\r\n")
}

// A protocol that Sluice knows nothing of runs through it in both directions.
func TestUpgrade(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s!\r\n\r\n", r.Header.Get("Sec-WebSocket-Key"))
		rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			rw.WriteString("echo " + line)
			rw.Flush()
		}
	}))
	conn := dial(t, r.public.URL)
	send(t, conn, raw("", "GET /socket?room=5 HTTP/1.1", "Host: app.test", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k"))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Sec-WebSocket-Accept") != "k!" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, line := range []string{"a\n", "\x00\xff binary\n"} {
		send(t, conn, line)
		if got := readUntil(t, in, "\n"); got != "echo "+line {
			t.Errorf("%q", got)
		}
	}
	conn.Close()
	if line := r.logLine("/socket"); line["status"] != int64(http.StatusSwitchingProtocols) {
		t.Errorf("logged as %v", line)
	}
}

// The app is told the client's address and sees its bytes; a name that the app
// has not got is nobody's.
func TestForwardedFor(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header["X-Forwarded-For"]) }))
	for before, want := range map[string]string{"X-Other: 1": "[127.0.0.1]", "X-Forwarded-For: 1.2.3.4": "[1.2.3.4, 127.0.0.1]"} {
		if got := r.get("", "/", before).body; got != want {
			t.Errorf("%q: %s, want %s", before, got, want)
		}
	}
}

func TestAppThatIsDown(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "upstream"), func(c *config.Config) { c.Upstream.URL = "http://127.0.0.1:1" })
	for _, target := range []string{"/", "/api/notifications", "/api/stream"} {
		reply := r.get("alice", target)
		want := `{"type":"about:blank","title":"Bad Gateway","status":502,"detail":"the app does not answer"}`
		if reply.status != http.StatusBadGateway || reply.body != want || reply.header.Get("Date") == "" {
			t.Errorf("%s: %d %s %v", target, reply.status, reply.body, reply.header)
		}
	}
	if line := r.logLine("/"); !strings.Contains(fmt.Sprint(line["error"]), "connection refused") {
		t.Errorf("logged as %v", line)
	}
}
