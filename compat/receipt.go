package compat

import (
	"net/http"
	"strconv"
	"time"
)

// A proxy on the way may hold a stream back until its buffer is full or the stream
// ends. That a write was flushed says nothing, and a comment raises no event in the
// page. So the first heartbeat of a stream of our own client is an event which asks
// for an echo: the client repeats it in its next request for /_sluice/config, which
// may reach another gateway; it names the moment, so that any can tell the time.
// Only small writes in silence are held back for long, and a heartbeat is just that.
//
// Old pages know nothing of this. Of them only their return is seen.

// EchoWithin is how soon after it was sent a heartbeat is echoed, where nothing holds
// it back: a round trip, and the time of a page that is busy.
const EchoWithin = 5 * time.Second

// mostEcho is beyond the longest stream, and so beyond any echo.
const mostEcho = 10 * time.Minute

// asks reports whether the reader of a request is to be asked: our client, once for
// each EventSource it makes. When that one reconnects, it sends a header.
func asks(r *http.Request, user string) bool {
	return Ours(r, user) && r.Header.Get("Last-Event-ID") == ""
}

// appendBeat writes a heartbeat; the first one asks, if one is to.
func (s *stream) appendBeat(b []byte) []byte {
	if !s.asks {
		return append(b, heartbeat...)
	}
	s.asks, s.asked = false, time.Now()
	return appendEvent(b, "", strconv.AppendInt(nil, s.asked.UnixMilli(), 10))
}

// Echo reads what a client repeats: how long ago that was sent. Clocks of gateways
// may differ a little.
func Echo(text string) (ago time.Duration, ok bool) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return 0, false
	}
	ago = time.Since(time.UnixMilli(ms))
	return max(ago, 0), ago > -EchoWithin && ago < mostEcho
}

// Return is how an old page's last stream had ended when it was back.
type Return string

// The returns.
const (
	AfterEnd Return = "end" // we had ended it, and the page was back within 5 s
	AfterCut Return = "cut" // it had broken off within the last 30 s; so it looks when a page is left for another
)

// Returns lists them.
var Returns = []Return{AfterEnd, AfterCut}

// returned is what the ends of a browser's streams, as far as they count, say of one
// that is back.
func returned(ends []ending) Return {
	after := Return("")
	for _, e := range ends {
		if e.Place == "" {
			return AfterCut
		}
		after = AfterEnd
	}
	return after
}
