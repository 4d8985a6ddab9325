package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// writeTimeout bounds one write to a stream, so that a reader who has stopped
// reading cannot hold up Close.
const writeTimeout = 10 * time.Second

// events writes the legacy application's event streams: unnamed events of one
// data line, without id and without retry.
type events struct {
	w          io.Writer
	controller *http.ResponseController
}

// openEvents sends the headers of a stream at once.
func openEvents(w http.ResponseWriter) (*events, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Connection", "keep-alive")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	e := &events{w: w, controller: http.NewResponseController(w)}
	return e, e.controller.Flush()
}

// send writes one event in the legacy envelope.
func (e *events) send(kind string, data any) error {
	body, err := json.Marshal(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{kind, data})
	if err != nil {
		return err
	}
	return e.write(fmt.Sprintf("data: %s\n\n", body))
}

// heartbeat writes the comment that keeps an idle connection open.
func (e *events) heartbeat() error { return e.write(": heartbeat\n\n") }

func (e *events) write(s string) error {
	// Not every writer has deadlines (recorders have none); without one Close
	// waits for the reader.
	_ = e.controller.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := io.WriteString(e.w, s); err != nil {
		return err
	}
	return e.controller.Flush()
}
