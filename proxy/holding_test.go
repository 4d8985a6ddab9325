package proxy

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// untilEnd is more than a stream has.
const untilEnd = 1 << 20

// holding is a proxy that holds answers back.
type holding struct {
	bytes  int           // until there are so many
	header bool          // the header goes at once
	gzips  bool          // compressed, as by a middleware that knows no flush
	cuts   time.Duration // breaks answers off after so long; 0: never
	server string        // what it calls itself
}

// before starts the proxy before an address, and returns its own.
func (h holding) before(t *testing.T, target string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.pass(w, r, target) }))
	t.Cleanup(s.Close)
	return s.URL
}

func (h holding) pass(w http.ResponseWriter, r *http.Request, target string) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, target+r.URL.RequestURI(), nil)
	if err != nil {
		panic(err)
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Server", h.server)
	out := io.Writer(w)
	if h.gzips {
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		defer packed.Close()
		out = packed
	}
	w.WriteHeader(resp.StatusCode)
	flush := w.(http.Flusher).Flush
	if h.header {
		flush()
	}
	if h.cuts > 0 {
		defer time.AfterFunc(h.cuts, cancel).Stop()
	}
	held := make([]byte, 0, 4096)
	for buf := make([]byte, 4096); ; {
		n, err := resp.Body.Read(buf)
		held = append(held, buf[:n]...)
		if len(held) >= h.bytes || err == io.EOF {
			_, _ = out.Write(held)
			held = held[:0]
			if !h.gzips {
				flush()
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// Our client on a stream echoes the first heartbeat; when it does so tells whether the
// stream came through.
func TestAProxyThatHoldsStreamsBackIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		proxy holding
		late  bool
	}{"a good one": {holding{}, false}, "one that waits for the end": {holding{bytes: untilEnd, header: true}, true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) {
				c.Compat.Heartbeat, c.Compat.MaxDuration = 100*time.Millisecond, 2*time.Second
			})
			public := c.proxy.before(t, r.public.URL)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, public+"/api/stream?last_event_id=0", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, "alice")})
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if echo, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					fetch(t, public+"/_sluice/config?"+echo, "alice")
				}
			}
			if n := r.value("compat_stream_echo_seconds_count"); n != 1 {
				t.Fatalf("%v echoes", n)
			}
			if took := r.value("compat_stream_echo_seconds_sum"); (took > 1) != c.late {
				t.Errorf("echoed after %.2f s", took)
			}
			fetch(t, public+"/_sluice/config?", "alice")
			fetch(t, public+"/_sluice/config?12", "alice")
			if n := r.value("compat_stream_echo_seconds_count"); n != 1 {
				t.Errorf("what is no echo counts: %v", n)
			}
		})
	}
}

func TestProbesAndReturnsAreCounted(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) {
		c.Compat.Heartbeat, c.Compat.MaxDuration = 100*time.Millisecond, 6*time.Second
	})
	for i := range 2 {
		r.ask("alice", "/api/stream")
		gone := fmt.Sprintf(`compat_stream_closes_total{reason="gone"} %d`, i+1)
		servertest.Eventually(t, "the stream is over", func() bool { return r.counts(gone) })
	}
	r.get("alice", "/api/stream?last_event_id=0") // to its end
	if !r.counts("compat_stream_probes_total 1") || !r.counts(`compat_stream_returns_total{after="cut"} 1`) {
		t.Error(r.scrape())
	}
}
