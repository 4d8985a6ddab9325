package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"sluice/demo"
	"sluice/internal/servertest"
	"sluice/proxy/after"
)

// migrated is a gateway before the sample app, and the environment of who checks it.
func migrated(t *testing.T, flags string) (environ []string, args []string) {
	t.Helper()
	app, err := demo.New(filepath.Join(t.TempDir(), "app.db"), []byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app)
	t.Cleanup(func() { app.Close(); server.Close() })
	p := launch(t, anyPorts("SLUICE_UPSTREAM_URL="+server.URL, "SLUICE_ROLLOUT_FLAGS="+flags), "serve")
	public, admin := p.started()
	for range 2 {
		startJob(t, public, 0)
	}
	return []string{credentialsVariable + "=Cookie: access_token=" + tokenFor(t, "alice")}, []string{"check", "--after", "--url", public + "/", "--admin", admin, "--page", "/dashboard/new"}
}

// startJob starts a job of alice, which notifies her after a delay in milliseconds,
// and returns its id.
func startJob(t *testing.T, public string, delay int) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, public+"/jobs", strings.NewReader(fmt.Sprintf(`{"delay": %d}`, delay)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CSRF-Token", "x")
	req.AddCookie(&http.Cookie{Name: "csrf_token", Value: "x"})
	req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, "alice")})
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var job struct {
		ID string `json:"job_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&job); err != nil || job.ID == "" {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
	return job.ID
}

func TestCheckAfter(t *testing.T) {
	environ, args := migrated(t, "")
	public := strings.TrimSuffix(args[3], "/")
	args = append(args, "--pipeline", "/api/pipelines/stream?job_id="+startJob(t, public, 60_000))
	servertest.Eventually(t, "alice has two notifications", func() bool {
		return strings.Count(fetch(t, public+"/api/notifications", "alice").body, `"id"`) == 2
	})
	for range 2 { // who checks is no old page
		status, stdout, stderr := execute(t, environ, args...)
		if status != 0 || stderr != "" {
			t.Fatalf("%d %s%s", status, stdout, stderr)
		}
		for _, want := range []string{
			", behind Sluice\n", "ok      endpoint         200", "ok      after_id  ", "ok      pipelines        it streams", "ok      client script    /_sluice/client.js is sluice-client", "ok      page             /dashboard/new has",
			"ok      old stream       bridged", "ok      old pages        no user", "?       hidden tab ", "-> in a browser: ", " ok, 0 failed, ",
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("no %q: %s", want, stdout)
			}
		}
		if strings.Contains(stdout, tokenFor(t, "alice")) {
			t.Error("the token is shown")
		}
	}
	status, stdout, stderr := execute(t, environ, append(args, "--output", "json")...)
	var r after.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || stderr != "" || !r.Sluice || r.Count(after.OK) < 9 {
		t.Errorf("%d %s%s %v", status, stdout, stderr, err)
	}
}

// Something that does not hold fails the command.
func TestCheckAfterFails(t *testing.T) {
	environ, args := migrated(t, write(t, "flags.json", `{"flags": {}}`))
	file := write(t, "credentials", strings.TrimPrefix(environ[0], credentialsVariable+"=")+"\n")
	status, stdout, stderr := execute(t, nil, append(args, "--credentials", file)...)
	if status != 1 || stderr != "sluice: 2 of the above must be put right\n" ||
		!strings.Contains(stdout, "FAILED  old stream       the app still holds a stream") || !strings.Contains(stdout, "FAILED  everybody polls  this user is on sse") {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
	status, stdout, _ = execute(t, nil, append(args, "--credentials", file, "--output", "json")...)
	if status != 1 || !json.Valid([]byte(stdout)) {
		t.Errorf("%d %s", status, stdout)
	}
}

func TestCheckAfterRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"--after --credentials /none":         "--credentials: open /none: no such file",
		"--after --url ftp://app":             "--url: is not an address such as https://app.example.com",
		"--after --url https://me:SECRET@app": "--url: is not an address",
		"--after --admin http://":             "--admin: is not an address",
		"--after --page dashboard":            `--page, --pipeline: "dashboard": want a path`,
		"--after --pipeline job":              `--page, --pipeline: "job": want a path`,
		"--after --credentials checkafter.go": "checkafter.go:1: want a line such as Cookie: NAME=VALUE",
		"--url https://app.example.com":       "belong to --after",
		"--after --config /none/sluice.yaml":  "/none/sluice.yaml: no such file",
	} {
		status, stdout, stderr := execute(t, nil, append([]string{"check"}, strings.Fields(line)...)...)
		if status != 1 || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, "SECRET") {
			t.Errorf("%s: %d %s%s, want %s", line, status, stdout, stderr, want)
		}
	}
}
