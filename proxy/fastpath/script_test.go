package fastpath

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is a connection of a client that sends pieces, and then no more.
type script struct {
	pieces [][]byte
	waits  bool // for the answer before the next piece: whoever looks meanwhile sees nothing

	mu     sync.Mutex
	moved  sync.Cond
	late   bool         // the limit for reads has passed
	sent   bytes.Buffer // by the server
	closed bool
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.waits && len(p) == 1 && !s.late && !s.closed { // net/http looks whether the client is still there
		s.moved.Wait()
	}
	switch {
	case s.late:
		return 0, os.ErrDeadlineExceeded
	case len(s.pieces) == 0 || s.closed:
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.Write(p)
}

func (s *script) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = !t.IsZero() && time.Until(t) < 0
	s.moved.Broadcast()
	return nil
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.moved.Broadcast()
	return nil
}

// answers are what was sent until the connection was closed.
func (s *script) answers() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		s.moved.Wait()
	}
	return s.sent.String()
}

func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// pipes is a listener of connections that it is given, until it is closed.
type pipes struct {
	conns  chan net.Conn
	closed context.Context
	close  context.CancelFunc
}

func newPipes() pipes {
	closed, cancel := context.WithCancel(context.Background())
	return pipes{make(chan net.Conn), closed, cancel}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed.Done():
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { p.close(); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// echo says what it was asked. It reads all of a body, or net/http might look for the end of it later.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Order", "is kept")
	fmt.Fprintf(w, "%s %s %s %v %q %v", r.Method, r.URL, r.Host, r.Header, body, err)
})

// play has a server answer the pieces, and returns what it sent and how many requests
// were answered on the fast path.
func play(fast, waits bool, pieces ...[]byte) (sent string, taken int) {
	s := &script{waits: waits}
	s.moved.L = &s.mu
	for _, p := range pieces {
		if len(p) > 0 {
			s.pieces = append(s.pieces, bytes.Clone(p))
		}
	}
	l := newPipes()
	server := &http.Server{Handler: echo, ErrorLog: log.New(io.Discard, "", 0)}
	var listener net.Listener = l
	if fast {
		r := route
		r.Idle = time.Minute
		r.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { taken++; echo(w, r) })
		f := NewListener(l, r)
		server.ConnState, listener = f.ConnState, f
	}
	go func() { l.conns <- s; l.close() }()
	_ = server.Serve(listener) // ends with the listener; its connection goes on
	return dates.ReplaceAllString(s.answers(), "Date: now"), taken
}

var dates = regexp.MustCompile(`Date: [^\r]*`)

const (
	page   = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
	poll   = "GET /api/notifications?after_id=x HTTP/1.1\r\nHost: a\r\nSluice-Client: 1\r\nCookie: a=b\r\n\r\n"
	chunks = "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
)

func upload(body string) string {
	return fmt.Sprintf("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// A connection means the same with the fast path and without it, whatever is sent; and
// where it is used, it is.
func TestConnections(t *testing.T) {
	head, body, _ := strings.Cut(upload(poll), "\r\n\r\n")
	head += "\r\n\r\n"
	for name, c := range map[string]struct {
		pieces []string
		taken  int
	}{
		"the first is net/http's":                   {[]string{poll, poll, poll}, 2},
		"between others":                            {[]string{page, poll, page, poll, poll}, 3},
		"after a body":                              {[]string{upload("body"), poll, upload(""), poll}, 2},
		"after a body in pieces":                    {[]string{page, head, body[:10], body[10:], poll}, 1},
		"after a header in pieces":                  {[]string{page[:20], page[20:], poll, poll[:30], poll[30:], poll}, 2},
		"a poll that is a body":                     {[]string{page, head, poll, poll}, 1},
		"a poll that is the end of a body":          {[]string{page, upload("x" + poll)[:len(upload(poll))-len(poll)+1], poll, poll}, 1},
		"a poll in the header of another":           {[]string{page, "GET /x HTTP/1.1\r\nX: ", poll, poll}, 1},
		"a poll behind lines that net/http has":     {[]string{page, page + "GET /x HTTP/1.1\r\nHost: a\r\n", poll, poll}, 0},
		"two at once":                               {[]string{page, poll + poll, poll}, 0},
		"one and a piece of the next":               {[]string{page, poll + "GE", "T /y HTTP/1.1\r\nHost: a\r\n\r\n", poll}, 0},
		"chunks":                                    {[]string{page, poll, chunks + "3\r\nabc\r\n0\r\n\r\n", poll}, 1},
		"chunks with a poll in them":                {[]string{page, chunks + "c8\r\n", poll, poll, "0\r\n\r\n", poll}, 0},
		"two lengths":                               {[]string{page, strings.Replace(upload(poll), "Content", "Content-Length: 3\r\nContent", 1), poll}, 0},
		"a length and chunks":                       {[]string{page, strings.Replace(chunks, "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 1), poll}, 0},
		"a length with a sign":                      {[]string{page, strings.Replace(upload("abc"), "3", "+3", 1), poll}, 0},
		"a length with a space before its colon":    {[]string{page, strings.Replace(upload(poll), "Length:", "Length :", 1), poll}, 0},
		"a length in a line that goes on":           {[]string{page, "POST /up HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 5\r\n\r\n", poll}, 0},
		"lines that end with LF":                    {[]string{page, "GET /a HTTP/1.1\nHost: a\n\n", poll, poll}, 0},
		"an end of LF only, then a header":          {[]string{page, "GET /a HTTP/1.1\nHost: a\n\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", poll}, 0},
		"an empty line before":                      {[]string{page, "\r\n", page, poll}, 0},
		"HTTP/1.0 that goes on":                     {[]string{page, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", poll}, 0},
		"the last request":                          {[]string{page, strings.Replace(page, "Host", "Connection: close\r\nHost", 1), poll}, 0},
		"a poll that is the last":                   {[]string{page, strings.Replace(poll, "Host", "Connection: close\r\nHost", 1), poll}, 0},
		"HTTP/2":                                    {[]string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", poll}, 0},
		"another method":                            {[]string{"TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n", poll, poll}, 0},
		"TLS":                                       {[]string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", poll, poll}, 0},
		"a header that never ends":                  {[]string{page, "GET /x HTTP/1.1\r\nX: " + strings.Repeat("x", mostHead), "\r\n\r\n", poll}, 0},
		"not a poll of our client":                  {[]string{page, strings.Replace(poll, "Sluice", "X", 1), poll}, 1},
		"a body that begins with the poll's header": {[]string{page, poll[:len(poll)-2] + "Content-Length: 5\r\n\r\nabcde", poll}, 1},
	} {
		var pieces [][]byte
		for _, p := range c.pieces {
			pieces = append(pieces, []byte(p))
		}
		want, _ := play(false, true, pieces...)
		got, taken := play(true, true, pieces...)
		if got != want {
			t.Errorf("%s:\n%s\nbut without the fast path:\n%s", name, got, want)
		}
		if taken != c.taken {
			t.Errorf("%s: %d taken, want %d", name, taken, c.taken)
		}
	}
}

// The same for bytes and pieces at random, among requests that begin well.
func FuzzConnection(f *testing.F) {
	f.Add([]byte(page), []byte(poll), []byte(poll), uint16(0), true)
	f.Add([]byte(upload("a")), []byte(poll), []byte(chunks+"0\r\n\r\n"), uint16(7), true)
	f.Add([]byte("GET /a HTTP/1.1\nHost: a\n\n"), []byte("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:9\r\n\r\n"), []byte(poll), uint16(40), false)
	f.Fuzz(func(t *testing.T, a, b, c []byte, cut uint16, waits bool) {
		both := append(bytes.Clone(a), b...)
		at := int(cut) % (len(both) + 1)
		for _, pieces := range [][][]byte{{[]byte(page), a, b, c, []byte(poll)}, {[]byte(page), both[:at], both[at:], []byte(poll), c}} {
			// An empty line before a request is passed over (RFC 9112, section 2.2), but by net/http
			// only after a POST, and it does not know of the polls since.
			if slices.ContainsFunc(pieces, func(b []byte) bool { return len(b) > 0 && (b[0] == '\r' || b[0] == '\n') }) {
				continue
			}
			want, _ := play(false, waits, pieces...)
			if got, _ := play(true, waits, pieces...); got != want {
				t.Errorf("%q:\n%s\nbut without the fast path:\n%s", pieces, got, want)
			}
		}
	})
}

// askAll sends polls over a connection of its own, each with something of its own.
func askAll(addr string, n int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	for i := range 200 {
		mark := fmt.Sprintf("%d-%d-%s", n, i, strings.Repeat("x", i))
		if _, err := io.WriteString(c, strings.Replace(poll, "a=b", mark, 1)); err != nil {
			return err
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if want := fmt.Sprintf("GET /api/notifications?after_id=x a map[Cookie:[%s] Sluice-Client:[1]] \"\" <nil>", mark); err != nil || string(body) != want {
			return fmt.Errorf("%s %v, want %s", body, err, want)
		}
	}
	return nil
}
