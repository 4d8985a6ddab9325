package servertest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// StartPrometheus starts a Prometheus that scrapes the given addresses once a
// second as job "sluice", and returns its URL.
func StartPrometheus(t testing.TB, targets ...string) (url string) {
	t.Helper()
	return StartPrometheusWithRules(t, nil, targets...)
}

// StartPrometheusWithRules starts one that evaluates rules files as well, once a
// second. Their paths are absolute.
func StartPrometheusWithRules(t testing.TB, rules []string, targets ...string) (url string) {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is not installed; ./scripts/test installs it")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\n", strings.Join(rules, ", "))
	config += "scrape_configs: [{job_name: sluice, static_configs: [{targets: ["
	for _, target := range targets {
		config += fmt.Sprintf("%q, ", target)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config+"]}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	StartProcess(t, nil, path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	url = "http://" + address
	Eventually(t, "prometheus is ready", func() bool {
		resp, err := http.Get(url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return url
}
