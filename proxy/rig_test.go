package proxy

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
)

// scrape is what /metrics says.
func (r *rig) scrape() string { return r.admin("/metrics").body }

// watch lets the gateway follow flags, feed and signals until the test ends.
func (r *rig) watch() { r.t.Cleanup(r.watchUntil()) }

// watchUntil is watch until the function it returns is called.
func (r *rig) watchUntil() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { r.gateway.watch(ctx) })
	return func() { cancel(); group.Wait() }
}

// open asks for something over a real socket, and leaves the answer open.
func (r *rig) open(ctx context.Context, user, target string, headers ...string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.public.URL+target, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if user != "" {
		req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(r.t, user)})
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp
}

// openStream opens a stream over a real socket; next reads up to a line that
// contains a text, and returns what it has read.
func (r *rig) openStream(user string, headers ...string) (next func(text string) string) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	r.t.Cleanup(cancel)
	resp := r.open(ctx, user, "/api/stream", headers...)
	r.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return func(text string) string {
		r.t.Helper()
		var read strings.Builder
		for lines.Scan() {
			read.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), text) {
				return read.String()
			}
		}
		r.t.Fatalf("the stream ended without %q: %s", text, read.String())
		return ""
	}
}
