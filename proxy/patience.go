package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/uptime"
)

// How long a client may leave undone what is its turn to do. There is no limit for a
// whole request or answer: an upload or a stream lasts for as long as it goes on.
const (
	// slowHeader ends connections that take their time to send a request's header.
	slowHeader = 10 * time.Second
	// idleTimeout keeps a poller's connection open between two polls at the
	// longest usual interval.
	idleTimeout = 120 * time.Second
	// silentBody ends requests of whose body nothing comes, and stalledWrite answers of
	// which nothing is taken; nginx waits as long (client_body_timeout, send_timeout).
	silentBody   = 60 * time.Second
	stalledWrite = 60 * time.Second
)

// patient is a listener whose connections limit each write, whatever is spoken over them.
type patient struct{ net.Listener }

func (l patient) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: c}, nil
}

// sharedLimit is for how long further writes have the limit of one before, and so up to
// so much less time: to set it is a fiftieth of what a poll costs.
const sharedLimit = stalledWrite / 10

// patientConn gives each write its time, unless whoever writes has set a limit.
type patientConn struct {
	net.Conn
	limited atomic.Bool
	again   atomic.Int64 // when the limit is to be set again, by uptime.At in nanoseconds; 0: at once
}

func (c *patientConn) Write(b []byte) (int, error) {
	if c.limited.Load() {
		return c.Conn.Write(b)
	}
	now := time.Now()
	if again := c.again.Load(); again == 0 || int64(uptime.At(now)) >= again {
		c.again.Store(int64(uptime.At(now) + sharedLimit))
		_ = c.Conn.SetWriteDeadline(now.Add(stalledWrite)) // of a connection that is closed the write tells
	}
	return c.Conn.Write(b)
}

func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.limitedBy(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *patientConn) SetDeadline(t time.Time) error {
	c.limitedBy(t)
	return c.Conn.SetDeadline(t)
}

func (c *patientConn) limitedBy(t time.Time) {
	c.limited.Store(!t.IsZero())
	c.again.Store(0)
}

// upload is a request's body: each read has its time, and what went wrong is remembered,
// since that is no fault of the app.
type upload struct {
	io.ReadCloser
	control *http.ResponseController

	mu    sync.Mutex
	whole bool
	left  bool // the request is over: the connection is the next one's
	err   error
}

// receive is the request with its body as an upload, or nil where there is none. What
// net/http makes of the request itself it goes on to know.
func receive(w http.ResponseWriter, r *http.Request) (*http.Request, *upload) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	u := &upload{ReadCloser: r.Body, control: http.NewResponseController(w)}
	u.limit(silentBody) // net/http reads what nobody else has, before it answers
	r = r.WithContext(r.Context())
	r.Body = u
	return r, u
}

func (u *upload) Read(b []byte) (int, error) {
	u.limit(silentBody)
	n, err := u.ReadCloser.Read(b)
	ended := errors.Is(err, io.EOF)
	if err == nil || ended {
		u.limit(0) // an app that is slow to take the body is no silent client
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.whole = u.whole || ended
	if !ended {
		u.err = err
	}
	return n, err
}

// pending tells whether some of the body is still to come.
func (u *upload) pending() bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.whole
}

// limit says within what time something has to come; 0 is no limit. A server in a test
// may know no limits.
func (u *upload) limit(within time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.left || u.err != nil {
		return
	}
	var deadline time.Time
	if within > 0 {
		deadline = time.Now().Add(within)
	}
	_ = u.control.SetReadDeadline(deadline)
}

// leave ends the upload with its request. Of what has not come yet net/http reads a
// little, within the last limit.
func (u *upload) leave() {
	u.limit(silentBody)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = true
}

// fault is the status for a body that could not be read, and 0 for one that could.
func (u *upload) fault() int {
	if u == nil {
		return 0
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.err == nil:
		return 0
	case errors.Is(u.err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}
