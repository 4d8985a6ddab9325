package compat

import (
	"strconv"
	"time"

	"sluice/backend"
)

// The wire format is that of https://html.spec.whatwg.org/#server-sent-events:
// fields in lines, an event ends with an empty line. Only what is here is ever
// written, so every write ends at an event boundary.

const heartbeat = ": heartbeat\n\n"

// appendEvent writes an unnamed event. data is JSON and therefore one line; id
// is a cursor and therefore plain ASCII, or empty for an event without one.
func appendEvent(b []byte, id string, data []byte) []byte {
	b = append(b, "data: "...)
	b = append(b, data...)
	b = append(b, '\n')
	if id != "" {
		b = appendID(b, id)
	}
	return append(b, '\n')
}

// appendPlace moves the reader's Last-Event-ID without an event: a block without
// data is not dispatched.
func appendPlace(b []byte, id string) []byte {
	return append(appendID(b, id), '\n')
}

func appendID(b []byte, id string) []byte {
	b = append(b, "id: "...)
	b = append(b, id...)
	return append(b, '\n')
}

// appendRetry tells the reader how long to wait before it reconnects; browsers
// take whole milliseconds in digits only.
func appendRetry(b []byte, d time.Duration) []byte {
	b = append(b, "retry: "...)
	b = strconv.AppendInt(b, d.Milliseconds(), 10)
	return append(b, "\n\n"...)
}

// envelope is a notification as the app's own stream wraps it.
func envelope(n backend.Notification) ([]byte, error) {
	data, err := n.Legacy()
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"type":"notification.created","data":`), data...)
	return append(b, '}'), nil
}
