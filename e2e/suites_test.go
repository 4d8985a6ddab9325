package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sluice/internal/servertest"
)

// node starts a script of a test suite that nobody here wrote; e2e/suites names them.
func node(t *testing.T, environ []string, script ...string) *servertest.Process {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	return servertest.StartProcess(t, environ, path, append([]string{"--no-warnings"}, filepath.Join(append([]string{"suites", "node_modules"}, script...)...))...)
}

func installSuites(t *testing.T) {
	t.Helper()
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
	install.Dir = "suites"
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in e2e/suites: %v\n%s", err, out)
	}
}

// The suite of cache-tests.fyi tells what something on the way does to responses and
// conditional requests. Sluice is no cache: what the suite finds of its own server
// directly, it finds through Sluice.
func TestHTTPCacheSuite(t *testing.T) {
	installSuites(t)
	port := servertest.FreePort(t)
	direct := fmt.Sprintf("http://localhost:%d", port)
	server := node(t, []string{"npm_config_protocol=http", fmt.Sprint("npm_config_port=", port), "npm_config_pidfile=" + os.DevNull}, "http-cache-tests", "server", "server.mjs")
	server.Line()
	sluice := start(t, []string{
		"SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_AUTH_KEY=" + key, "SLUICE_UPSTREAM_URL=" + direct, "SLUICE_REDIS_URL=",
	}, "sluice", "serve")
	through := "http://" + sluice.Logged("serving")["listen"].(string)
	results := map[string]map[string]any{}
	runs := map[string]*servertest.Process{}
	for _, base := range []string{direct, through} {
		runs[base] = node(t, []string{"npm_config_base=" + base, "npm_config_id=", "npm_package_config_id="}, "http-cache-tests", "cli.mjs")
	}
	for base, run := range runs {
		found := map[string]any{}
		if status := run.Status(); status != 0 {
			t.Fatalf("%s: status %d", base, status)
		}
		if err := json.Unmarshal([]byte(run.Stdout.String()), &found); err != nil {
			t.Fatalf("%s: %v", base, err)
		}
		results[base] = found
	}
	passed := 0
	for name, result := range results[direct] {
		if result != true {
			continue // some need a cache; in others the server hangs up, for which Sluice has an answer of its own
		}
		passed++
		if got := results[through][name]; got != true {
			t.Errorf("%s passes directly, and through Sluice: %v", name, got)
		}
	}
	t.Logf("%d tests, of which %d pass directly", len(results[direct]), passed)
	if len(results[direct]) < 300 || passed < 100 {
		t.Error("the suite has hardly run")
	}
}
