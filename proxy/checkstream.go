package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// streamCheck is the part of sluice check that looks at the way of a stream.
type streamCheck struct {
	Stream string        `placeholder:"URL" help:"Open the stream at its public address, and tell whether and where bytes are held back on the way."`
	Direct string        `placeholder:"URL" help:"With --stream: the same on the gateway itself, to compare."`
	For    time.Duration `default:"40s" help:"With --stream: how long to look; more than two heartbeats."`
}

// lookAtStream opens the stream, beside it the gateway's own, and prints what it finds.
func (k streamCheck) lookAtStream(ctx context.Context, p Process, header http.Header, heartbeat time.Duration) error {
	addresses := []string{k.Stream}
	if k.Direct != "" {
		addresses = append(addresses, k.Direct)
	}
	for i, address := range addresses {
		if u, err := url.Parse(address); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%s: want a URL such as https://app.example/api/stream", []string{"--stream", "--direct"}[i])
		}
	}
	traces := make([]streamTrace, len(addresses))
	done := make(chan struct{})
	for i := range addresses {
		go func() { traces[i] = traceStream(ctx, addresses[i], header, k.For); done <- struct{}{} }()
	}
	for range addresses {
		<-done
	}
	v := judgeStream(traces[0], traces[1:], heartbeat)
	if _, err := io.WriteString(p.Stdout, v.text()); err != nil {
		return err
	}
	return v.err()
}

// streamTrace is what came over a stream, and when after it was asked for.
type streamTrace struct {
	address  string
	err      error // why there is no answer, or why the stream broke off
	status   string
	code     int
	proto    string
	header   http.Header
	headerAt time.Duration
	reads    []arrival
	beats    []time.Duration // heartbeats
	lasted   time.Duration
	left     bool // it had not ended when we left
}

type arrival struct {
	at    time.Duration
	bytes int
}

// answered reports whether there is a stream to look at.
func (t streamTrace) answered() bool {
	return t.code == http.StatusOK && strings.HasPrefix(t.header.Get("Content-Type"), "text/event-stream")
}

// traceStream reads a stream until it ends, or for so long.
func traceStream(ctx context.Context, address string, header http.Header, length time.Duration) (t streamTrace) {
	t.address = address
	start := time.Now()
	defer func() { t.lasted = time.Since(start) }()
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.err = err
		return t
	}
	req.Header = header.Clone()
	req.Header.Set("User-Agent", "sluice check")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "gzip") // as browsers do: who compresses shows it
	client := &http.Client{
		Transport:     &http.Transport{ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.err, t.left = err, errors.Is(err, context.DeadlineExceeded)
		return t
	}
	defer resp.Body.Close()
	t.headerAt, t.status, t.code, t.proto, t.header = time.Since(start), resp.Status, resp.StatusCode, resp.Proto, resp.Header
	if t.answered() {
		t.read(resp.Body, start)
	}
	return t
}

func (t *streamTrace) read(body io.Reader, start time.Time) {
	body = &arriving{body, start, t}
	if t.header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(body)
		if err != nil {
			t.stop(err)
			return
		}
		body = plain
	}
	var rest []byte
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		rest = t.blocks(append(rest, buf[:n]...), time.Since(start))
		if err != nil {
			t.stop(err)
			return
		}
	}
}

// stop notes why there is nothing more: it ended, it broke off, or we left.
func (t *streamTrace) stop(err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		t.left = true
	case err != io.EOF: //nolint:errorlint // io.EOF itself is the clean end; a wrapped one is none
		t.err = err
	}
}

// blocks notes the heartbeats among the whole blocks that have come, and returns
// what is none yet.
func (t *streamTrace) blocks(text []byte, at time.Duration) (rest []byte) {
	for {
		block, rest, ok := bytes.Cut(text, []byte("\n\n"))
		if !ok {
			return text
		}
		if bytes.Contains(block, []byte("heartbeat")) || asksForEcho(block) {
			t.beats = append(t.beats, at)
		}
		text = rest
	}
}

// asksForEcho recognises the heartbeat that our client is asked with.
func asksForEcho(block []byte) bool {
	digits, ok := bytes.CutPrefix(block, []byte("data: "))
	return ok && !slices.ContainsFunc(digits, func(c byte) bool { return c < '0' || c > '9' })
}

// arriving notes each read from the network.
type arriving struct {
	io.Reader
	start time.Time
	trace *streamTrace
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.trace.reads = append(a.trace.reads, arrival{time.Since(a.start), n})
	}
	return n, err
}
