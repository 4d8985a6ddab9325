package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests of what passes through speak HTTP over a bare socket: Go's client
// hides what they are about.

// tooLong is when a test gives up waiting for bytes. None waits that long.
const tooLong = 30 * time.Second

func dial(t *testing.T, base string) net.Conn {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(tooLong)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// raw is a request as bytes: lines, and a body after them.
func raw(body string, lines ...string) string {
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// exchange is all that a client can see of an answer.
type exchange struct {
	Before []string // the 1xx responses
	Status int
	Header http.Header
	Body   string
	// Trailer are the fields after the body.
	Trailer http.Header
}

// perform sends a request and reads its answer to the end.
func perform(t *testing.T, base, request string) exchange {
	t.Helper()
	conn := dial(t, base)
	go io.WriteString(conn, request) // the answer may come before all of it is read
	in := bufio.NewReader(conn)
	method, _, _ := strings.Cut(request, " ")
	x := exchange{}
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%.60q: %v", request, err)
		}
		for _, name := range []string{"Connection", "Keep-Alive"} {
			resp.Header.Del(name)
		}
		if resp.StatusCode < 200 {
			// Who is slow to send a body is told to go on by Sluice and then by the app; once is what counts.
			x.Before = slices.Compact(append(x.Before, fmt.Sprint(resp.StatusCode, resp.Header)))
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%.60q: %v", request, err)
		}
		x.Status, x.Header, x.Body, x.Trailer = resp.StatusCode, resp.Header, string(body), resp.Trailer
		if err != nil {
			x.Body += " (and the connection broke)"
		}
		return x
	}
}

// readUntil reads up to and including text.
func readUntil(t *testing.T, in *bufio.Reader, text string) string {
	t.Helper()
	var got strings.Builder
	for !strings.HasSuffix(got.String(), text) {
		b, err := in.ReadByte()
		if err != nil {
			t.Fatalf("waiting for %q after %q: %v", text, got.String(), err)
		}
		got.WriteByte(b)
	}
	return got.String()
}
