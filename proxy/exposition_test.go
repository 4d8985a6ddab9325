package proxy

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/proxy/config"
)

// exposed counts the series of /metrics, each bucket of a histogram as one, and
// those of Go's and the process's own apart.
func exposed(r *rig) (ours, runtime int) {
	for s := bufio.NewScanner(strings.NewReader(r.scrape())); s.Scan(); {
		switch line := s.Text(); {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "sluice_"):
			ours++
		default:
			runtime++
		}
	}
	return ours, runtime
}

// Prometheus's own check of names, types, units and help.
func TestPromtoolChecksMetrics(t *testing.T) {
	r := newRig(t, everything(t))
	promtool := exec.Command("promtool", "check", "metrics")
	promtool.Stdin = strings.NewReader(r.scrape())
	if out, err := promtool.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// mostSeries is what docs/operations.md says of one gateway with all it can have; a
// rollout adds up to three for each of its checks.
const mostSeries = 500

// 100,000 users, clients of any name and version, and any path make no series more.
func TestUsersMakeNoSeries(t *testing.T) {
	r := newRig(t, everything(t), func(c *config.Config) { c.Cache.StalenessBound = config.Bound(0) })
	r.gateway.log = zap.NewNop() // a line each is not what is looked at
	handler := r.gateway.Handler()
	before, runtime := exposed(r)
	if before+runtime > mostSeries {
		t.Errorf("%d series of ours and %d of the process, %d at most", before, runtime, mostSeries)
	}
	for i := range 100_000 {
		target, header := fmt.Sprintf("/api/notifications?limit=x%d", i), ""
		switch i % 50 {
		case 0:
			target = fmt.Sprintf("/api/notifications?after_id=cursor-%d", i)
		case 1:
			target, header = "/_sluice/config", fmt.Sprintf("client/%d", i)
		case 2:
			target, header = "/api/notifications?before_id=x", fmt.Sprintf("drop-in/%d", i)
		case 3:
			target = fmt.Sprintf("/page/%d", i)
		}
		q := httptest.NewRequest(http.MethodGet, target, nil)
		q.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, fmt.Sprintf("user-%d", i))})
		if header != "" {
			q.Header.Set("Sluice-Client", header)
		}
		handler.ServeHTTP(httptest.NewRecorder(), q)
	}
	if after, _ := exposed(r); after != before {
		t.Errorf("%d series, %d before", after, before)
	}
	t.Logf("%d series of ours, %d of the process", before, runtime)
}
