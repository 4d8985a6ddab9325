package e2e

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// balancer is what stands before replicas: it asks each whether it is ready, and
// sends requests to those that are, in turn. It does not try a request again.
type balancer struct {
	url      string
	replicas []*replica
	next     atomic.Int64
}

type replica struct {
	public, admin string // host:port
	ready         atomic.Bool
	process       *servertest.Process
}

// balancerLooks is how often a replica is asked. It is out of the way for its grace
// of 2 s before it takes no requests any more.
const balancerLooks = 200 * time.Millisecond

func newBalancer(t *testing.T, replicas []*replica) *balancer {
	t.Helper()
	b := &balancer{replicas: replicas}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(&url.URL{Scheme: "http", Host: b.pick()})
			pr.SetXForwarded()
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	for _, r := range replicas {
		looking.Go(func() { r.look(ctx) })
	}
	t.Cleanup(func() {
		stop()
		looking.Wait()
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	b.url = server.URL
	return b
}

func (r *replica) look(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	for ctx.Err() == nil {
		resp, err := client.Get("http://" + r.admin + "/readyz")
		r.ready.Store(err == nil && resp.StatusCode == http.StatusOK)
		if err == nil {
			resp.Body.Close()
		}
		select {
		case <-time.After(balancerLooks):
		case <-ctx.Done():
		}
	}
}

func (b *balancer) pick() string {
	ready := slices.DeleteFunc(slices.Clone(b.replicas), func(r *replica) bool { return !r.ready.Load() })
	if len(ready) == 0 {
		return "nobody.invalid"
	}
	return ready[int(b.next.Add(1))%len(ready)].public
}

// Three replicas restart one after the other, under polls, streams and the app's
// own pages: no request fails, no stream breaks off, and no item is lost.
func TestRollingRestart(t *testing.T) {
	const people, streams = 12, 8
	w := newWorld(t, "SLUICE_DRAIN_GRACE=2s", "SLUICE_DRAIN_DEADLINE=30s", "SLUICE_POLL_INTERVAL=1s")
	environ := func(r *replica) []string {
		return slices.Concat(w.environ, []string{"SLUICE_LISTEN=" + r.public, "SLUICE_ADMIN_LISTEN=" + r.admin})
	}
	replicas := []*replica{{}, {}, {}}
	for _, r := range replicas {
		r.public, r.admin = freeAddress(t), freeAddress(t)
		r.process = start(t, environ(r), "sluice", "serve")
	}
	b := newBalancer(t, replicas)
	ready := func(r *replica) { servertest.Eventually(t, "a replica is ready", r.ready.Load) }
	for _, r := range replicas {
		ready(r)
	}

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var polls, pages, ended atomic.Int64
	all := w.users(people)
	for i, u := range all {
		u.base = b.url
		load.Go(func() {
			for each(ctx, 100*time.Millisecond) {
				if err := u.poll(t); err != nil {
					t.Errorf("poll: %v", err)
					return
				}
				polls.Add(1)
				if status, body, err := u.get(t, "/api/me"); err != nil || status >= http.StatusInternalServerError {
					t.Errorf("page: %d %s, %v", status, body, err)
				}
				pages.Add(1)
			}
		})
		if i < streams {
			load.Go(func() { u.readStreams(ctx, t, &ended) })
		}
	}
	ids := map[string][]string{}
	load.Go(func() {
		for i := 0; each(ctx, 50*time.Millisecond); i++ {
			u := all[i%people].name
			id := w.insert(u, "while replicas restart")
			ids[u] = append(ids[u], id)
		}
	})

	for _, r := range replicas {
		r.process.Terminate()
		if status := r.process.Status(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		r.process = start(t, environ(r), "sluice", "serve")
		ready(r)
	}
	stop()
	load.Wait()
	for _, u := range all {
		servertest.Eventually(t, u.name+" has seen everything", func() bool {
			if err := u.poll(t); err != nil {
				t.Error(err)
			}
			return !slices.ContainsFunc(ids[u.name], func(id string) bool { return !slices.Contains(u.seen, id) })
		})
	}
	if ended.Load() < streams || polls.Load() < 100 || pages.Load() < 100 {
		t.Errorf("hardly a test: %d streams ended, %d polls, %d pages", ended.Load(), polls.Load(), pages.Load())
	}
	t.Logf("%d polls, %d pages, %d streams ended, none failed", polls.Load(), pages.Load(), ended.Load())
}

// each waits for the next turn of a load; false at its end.
func each(ctx context.Context, every time.Duration) bool {
	select {
	case <-time.After(every):
		return true
	case <-ctx.Done():
		return false
	}
}

// readStreams reads streams, one after the other, each of which has to end whole.
func (u *user) readStreams(ctx context.Context, t *testing.T, ended *atomic.Int64) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.base+"/api/stream", nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Cookie", u.cookie)
		resp, err := u.client.Do(req)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("stream: %v", err)
			}
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if ctx.Err() != nil {
			return
		}
		if err != nil || resp.StatusCode != http.StatusOK || !strings.HasSuffix(string(body), "\n\n") {
			t.Errorf("stream: %d, %v, ended with %q", resp.StatusCode, err, body[max(0, len(body)-100):])
			return
		}
		ended.Add(1)
	}
}
