package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// pause is how long a reader stays away between two streams.
const pause = 130 * time.Millisecond

// shortest is how soon a stream may end by itself: 25 s, less the jitter.
const shortest = 23 * time.Second

// hold holds streams, one after another, until stop is closed. As an EventSource
// does, it comes back with the last id it was sent. A stream may end only when
// its time is up or its gateway dies.
func (r *reader) hold(stop <-chan struct{}) {
	for {
		g := r.gateways[rand.IntN(len(r.gateways))]
		life, began := g.life.Load(), time.Now()
		status, err := r.stream(g, stop)
		select {
		case <-stop:
			return
		default:
		}
		lives := life%2 == 0 && g.life.Load() == life
		switch {
		case lives && status != http.StatusOK:
			r.t.Errorf("a stream was answered with %d, %v", status, err)
		case lives && time.Since(began) < shortest:
			r.t.Errorf("a stream ended after %s: %v", time.Since(began), err)
		}
		time.Sleep(pause)
	}
}

// stream reads one stream to its end, or until stop is closed.
func (r *reader) stream(g *gateway, stop <-chan struct{}) (status int, err error) {
	header := http.Header{}
	if r.place != "" {
		header.Set("Last-Event-ID", r.place)
	}
	resp, err := r.get(g, "/api/stream", header)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return resp.StatusCode, fmt.Errorf("%s: %s", resp.Status, text)
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-stop:
		case <-ended:
		}
		resp.Body.Close()
	}()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.line(lines.Text())
	}
	return resp.StatusCode, lines.Err()
}

func (r *reader) line(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := strings.CutPrefix(text, "id: "); ok {
		r.place = id
	}
	data, ok := strings.CutPrefix(text, "data: ")
	if !ok {
		return
	}
	var event struct{ Data item }
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		r.t.Errorf("%s: %v", data, err)
		return
	}
	r.note(event.Data)
}

// placed reports whether the reader stands somewhere, so that nothing that is
// written from now on can be missed.
func (r *reader) placed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.place != ""
}
