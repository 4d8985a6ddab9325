// Package fastpath answers the frequent requests of one route at the connection, before
// net/http's server sees them. That server takes about as long for a request as all of a
// poll's own work, for what such a request has no use for: it may have no body, it is not
// taken over, and it ends soon.
//
// Everything else is net/http's as ever, over the same connection: a request that is not,
// to the letter, one of those parse takes, HTTP/2, and the first request of each connection.
// So what is decided here is small:
//
//   - where requests begin. It is known only while every request since the connection
//     began had a length that leaves no doubt ([Listener.ConnState] says when one is over);
//     from the first other one on, the connection is net/http's for good.
//   - what a request is. A fuzzer holds that to what net/http reads from the same bytes.
//
// A handler's request has no context that ends when the client goes away, since nobody
// reads from the connection meanwhile: a handler must have its own limit of time.
package fastpath

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Route is what is answered here.
type Route struct {
	Path    string // exactly, with any query
	Field   string // a header field that has to say something, in canonical form
	Handler http.Handler
	// Idle ends connections over which no request has come for so long, as
	// http.Server's IdleTimeout does for its own.
	Idle time.Duration
}

// Listener is a listener whose connections answer the requests of a route. It is for those
// that speak HTTP/1.1 or HTTP/2 in the clear; its ConnState has to be the server's.
type Listener struct {
	net.Listener
	route    Route
	underWay atomic.Int64
	date     atomic.Pointer[date]
}

// NewListener prepares the connections of another listener.
func NewListener(l net.Listener, r Route) *Listener { return &Listener{Listener: l, route: r} }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, listener: l}, nil
}

// ConnState hears from the server when it is done with a request.
func (l *Listener) ConnState(c net.Conn, s http.ConnState) {
	if c, ok := c.(*conn); ok && s == http.StateIdle {
		c.between = c.framing.over()
	}
}

// lookAgain is how often Shutdown looks whether all is over, as the server's own does.
const lookAgain = 10 * time.Millisecond

// Shutdown is the server's, to which a connection that is answered here looks idle: it
// waits for the last answer too, or until ctx ends.
func (l *Listener) Shutdown(s *http.Server) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if err := s.Shutdown(ctx); err != nil {
			return err
		}
		tick := time.NewTicker(lookAgain)
		defer tick.Stop()
		for l.underWay.Load() > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
		return nil
	}
}

// date is the time of an answer, as text.
type date struct {
	second int64
	text   string
}

// dateAt is the value of an answer's Date.
func (l *Listener) dateAt(now time.Time) string {
	d := l.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
		l.date.Store(d)
	}
	return d.text
}
