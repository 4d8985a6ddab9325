package e2e

import (
	"cmp"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// observed starts a gateway that uses all there is to see: Redis, a rollout with
// checks, the bridge, audits; and a Prometheus with Sluice's rules.
func observed(t *testing.T) (*world, prometheus) {
	t.Helper()
	folder := t.TempDir()
	flags, spec := filepath.Join(folder, "flags.json"), filepath.Join(folder, "rollout.yaml")
	for path, text := range map[string]string{flags: listedFlags, spec: shortRollout} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stream := cmp.Or(os.Getenv("SLUICE_COMPAT_OLD_PAGE_DURATION"), "10s")
	w := newWorld(t, "SLUICE_ROLLOUT_FLAGS="+flags, "SLUICE_ROLLOUT_SPEC="+spec, "SLUICE_ADMIN_TOKEN="+token,
		"SLUICE_CACHE_AUDIT_RATIO=20", "SLUICE_COMPAT_OLD_PAGE_DURATION="+stream, "SLUICE_COMPAT_MAX_DURATION=10s", "SLUICE_COMPAT_HEARTBEAT=2s", "SLUICE_COMPAT_INJECT_SHIM=true", "SLUICE_ROLLOUT_SHADOW_RATIO=1", "SLUICE_POLL_INTERVAL=1s", "SLUICE_CACHE_STALENESS_BOUND=2s")
	var rules []string
	for _, name := range []string{"recording.yaml", "alerts.yaml"} {
		path, err := filepath.Abs("../dashboards/rules/" + name)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, path)
	}
	p := prometheus{t, servertest.StartPrometheusWithRules(t, rules, strings.TrimPrefix(w.admin, "http://")), time.Now()}
	servertest.Eventually(t, "the gateway is scraped", func() bool { return p.value("sum(sluice_redis_up)") == 1 })
	return w, p
}

const token = "a token for tests"

// native pollers poll, whatever the rollout does; the others go with it. Three keep
// the app's own stream, beside which the shadow polls.
const listedFlags = `{"flags":{
 "notifications-transport":{"state":"ENABLED","variants":{"sse":"sse","poll":"poll"},"defaultVariant":"sse",
  "targeting":{"if":[{"in":[{"var":"targetingKey"},["native-0","native-1","native-2","native-3","native-4"]]},"poll",{"fractional":[["poll",0],["sse",100]]}]}},
 "legacy-stream":{"state":"ENABLED","variants":{"upstream":"upstream","bridge":"bridge","retired":"retired"},"defaultVariant":"bridge",
  "targeting":{"if":[{"in":[{"var":"targetingKey"},["shadow-0","shadow-1","shadow-2"]]},"upstream","bridge"]}}}}`

const shortRollout = `apiVersion: sluice/v1alpha1
kind: Rollout
spec:
  steps:
    - setWeight: 10
    - pause: {duration: 5s}
    - analysis: {metrics: [
        {name: poll-success-ratio, interval: 2s, count: 6, minSamples: 1},
        {name: staleness-p95, interval: 2s, count: 6, minSamples: 1, onNoData: pass}]}
    - setWeight: 50
    - pause: {duration: 10s}
    - setWeight: 100
    - pause: {}
  analysis: {startingStep: 0, metrics: [
      {name: backend-rate, thresholdRange: {min: 0, max: 500}, interval: 2s, onNoData: pass},
      {name: legacy-reconnect-rate, thresholdRange: {max: 100000}, interval: 2s, minSamples: 1, onNoData: pass},
      {name: cohort-staleness-p95, interval: 2s, minSamples: 1, onNoData: pass}]}
`

func (w *world) post(path string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.admin+path, strings.NewReader(`{"actor":"test"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		w.t.Errorf("%s: %d %s", path, resp.StatusCode, body)
	}
}

// withoutDatabase hides the app's database from the gateway for a while, and then until
// somebody's poll has failed. The file itself stays: SQLite loses its log when others
// open what was moved away.
func (w *world) withoutDatabase(l *load, d time.Duration) {
	w.t.Helper()
	if err := os.Rename(w.store, w.store+".hidden"); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(d)
	servertest.Eventually(w.t, "a poll fails", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.total("error") > 0
	})
	if err := os.Rename(w.store+".hidden", w.store); err != nil {
		w.t.Fatal(err)
	}
}
