package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"sluice/backend"
)

const (
	// noteEvery is how often what went by on a passing stream is noted.
	noteEvery = time.Second
	// mostLine bounds a line of a passing stream that is looked at, in bytes; a
	// longer one passes unread.
	mostLine = 1 << 20
)

// Listener hears what goes by on the app's own stream, in the goroutine that hands it
// on: it must return at once.
type Listener interface {
	// Heard is told of every piece that went by, with the items that ended in it, if
	// any.
	Heard(items []backend.Key)
	// Ended is told of the stream's end.
	Ended()
}

// Along reads along on the body of the app's own stream, and notes which items
// went by, so that the browser can go on from there elsewhere. It waits for nothing:
// what is read is looked at on its way, some microseconds an event, and noted beside.
// The listener may be nil.
func (b *Bridge) Along(body io.ReadCloser, r *http.Request, c backend.Caller, l Listener) io.ReadCloser {
	return &along{ReadCloser: body, listener: l, note: func(keys []backend.Key) {
		now := time.Now()
		b.remember(context.WithoutCancel(r.Context()), browserOf(r, c), func(s *Browser) { s.pass(keys, now) })
	}}
}

type along struct {
	io.ReadCloser
	note     func([]backend.Key)
	listener Listener
	lines    splitter
	items    []backend.Key // of the piece at hand

	mu    sync.Mutex
	keys  []backend.Key // not noted yet
	timer *time.Timer
}

func (a *along) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.lines.split(p[:n], a.line)
	if a.listener != nil && n > 0 {
		a.listener.Heard(a.items)
	}
	a.items = nil
	return n, err
}

// Close notes the rest.
func (a *along) Close() error {
	err := a.ReadCloser.Close()
	a.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Unlock()
	a.flush()
	if a.listener != nil {
		a.listener.Ended()
	}
	return err
}

// line looks at one line: the app writes each event as a single data line.
func (a *along) line(line []byte) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return
	}
	var event struct {
		Type string
		Data struct {
			ID        string `json:"id"`
			CreatedAt string `json:"created_at"`
		}
	}
	if json.Unmarshal(data, &event) != nil || event.Type != "notification.created" {
		return
	}
	at, ok := backend.ParseTime(event.Data.CreatedAt)
	if !ok || event.Data.ID == "" || len(event.Data.ID) > backend.MaxIDLength {
		return
	}
	key := backend.Key{At: at.UnixMicro(), ID: event.Data.ID}
	a.items = append(a.items, key)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, key)
	if len(a.keys) == 1 {
		a.timer = time.AfterFunc(noteEvery, a.flush)
	}
}

func (a *along) flush() {
	a.mu.Lock()
	keys := a.keys
	a.keys = nil
	a.mu.Unlock()
	if len(keys) > 0 {
		a.note(keys)
	}
}

// splitter cuts a byte stream into lines, which SSE ends with CR, LF or both.
type splitter struct {
	rest []byte
	skip bool // the line is too long, and passes unread
}

func (s *splitter) split(p []byte, line func([]byte)) {
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			s.keep(p)
			return
		}
		s.keep(p[:i])
		if !s.skip && len(s.rest) > 0 {
			line(s.rest)
		}
		s.rest, s.skip = s.rest[:0], false
		p = p[i+1:]
	}
}

func (s *splitter) keep(p []byte) {
	if s.skip = s.skip || len(s.rest)+len(p) > mostLine; s.skip {
		s.rest = nil
		return
	}
	s.rest = append(s.rest, p...)
}
