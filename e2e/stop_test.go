package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A rolling update: while the load balancer still sends requests, all of them
// are answered; then streams end whole, and the process with 0.
func TestTerminateUnderLoad(t *testing.T) {
	const streams, pollers = 20, 10
	const grace, polling = 6 * time.Second, 2 * time.Second // the rest is for a machine that stalls
	w := newWorld(t, "SLUICE_DRAIN_GRACE="+grace.String(), "SLUICE_DRAIN_DEADLINE=30s")
	w.insert("user-0", "hello")
	all := w.users(max(streams, pollers))

	bodies := make([]string, streams)
	ends := make([]time.Time, streams)
	var open, polled sync.WaitGroup
	for i := range streams {
		open.Go(func() {
			status, body, err := all[i].get(t, "/api/stream")
			if status != 200 || err != nil {
				t.Errorf("stream %d: status %d, %v after %q", i, status, err, body)
			}
			bodies[i], ends[i] = body, time.Now()
		})
	}
	w.waitForMetric("sluice_compat_streams", streams)

	signaled := time.Now()
	w.sluice.Terminate()
	w.sluice.Logged("draining")
	for _, u := range all[:pollers] {
		polled.Go(func() {
			for time.Since(signaled) < polling {
				if err := u.poll(t); err != nil {
					t.Errorf("%s after the signal: %v", time.Since(signaled), err)
					return
				}
			}
		})
	}
	polled.Wait()
	open.Wait()
	if status := w.sluice.Status(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for i, body := range bodies {
		if !strings.HasPrefix(body, ": bridge\n") || !strings.HasSuffix(body, "\n\n") || ends[i].Sub(signaled) < grace {
			t.Errorf("stream %d ended after %s with %q", i, ends[i].Sub(signaled), body)
		}
	}
	if !strings.Contains(bodies[0], `"text":"hello"`) {
		t.Errorf("the stream said %q", bodies[0])
	}
	if line := w.sluice.Logged("drained"); line["streams_ended"] != float64(streams) || line["cut_off"] != false {
		t.Errorf("%v", line)
	}
}

func TestBadConfigurationEndsTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("poll:\n  interval: soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"a bad value":     {[]string{"serve", "--config", file}, 1, "sluice: " + file + ":2:13: poll.interval: "},
		"no key":          {[]string{"serve"}, 1, "sluice: auth.key: is empty"},
		"a bad command":   {[]string{"server"}, 2, "sluice: unexpected argument server"},
		"nothing to do":   {nil, 2, "sluice: expected one of"},
		"somebody's help": {[]string{"--help"}, 0, ""},
	} {
		p := start(t, nil, "sluice", c.args...)
		if status := p.Status(); status != c.status || !strings.Contains(p.Stderr.String(), c.want) {
			t.Errorf("%s: exit status %d, %s", name, status, p.Stderr.String())
		}
	}
}
