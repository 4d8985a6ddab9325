package fastpath

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// What a connection is doing, as far as Close has to know.
const (
	waiting = iota
	answering
	closed
)

// conn answers requests in Read, in which net/http waits for the next one.
type conn struct {
	net.Conn
	listener *Listener
	remote   string
	framing  framing
	between  bool // the next byte begins a request
	state    atomic.Int32
	extended time.Time // when Route.Idle was last counted from
}

// Read implements net.Conn. Only one goroutine at a time reads, and ConnState is called
// by it too.
func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if c.between && n > 0 && err == nil {
			switch x := c.listener.route.parse(p[:n]); {
			case x == nil:
			case c.answer(x):
				continue
			default:
				return 0, io.EOF
			}
		}
		if n > 0 {
			c.between = false
			c.framing.pass(p[:n])
		}
		return n, err
	}
}

// answer reports whether the connection goes on after the answer.
func (c *conn) answer(x *exchange) bool {
	if !c.state.CompareAndSwap(waiting, answering) {
		return false
	}
	c.listener.underWay.Add(1)
	defer c.answered() // also if the handler panics, of which net/http takes care
	if c.remote == "" {
		c.remote = c.RemoteAddr().String()
	}
	x.request.RemoteAddr = c.remote
	goesOn, err := x.serve(c.Conn, c.listener)
	if now := time.Now(); now.Sub(c.extended) > c.listener.route.Idle/10 { // a limit costs as much as a few header fields
		c.extended = now
		_ = c.SetReadDeadline(now.Add(c.listener.route.Idle)) // of a connection that is closed the read tells
	}
	return goesOn && err == nil
}

func (c *conn) answered() {
	if !c.state.CompareAndSwap(answering, waiting) {
		_ = c.Conn.Close()
	}
	c.listener.underWay.Add(-1)
}

// Close implements net.Conn. An answer that is under way is written first; a second
// Close does not wait for it.
func (c *conn) Close() error {
	if c.state.Swap(closed) == answering {
		return nil
	}
	return c.Conn.Close()
}
