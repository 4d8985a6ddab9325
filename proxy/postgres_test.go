package proxy

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// sluice runs a command of the program.
func sluice(t *testing.T, environ []string, args ...string) (status int, output string) {
	t.Helper()
	var out bytes.Buffer
	status = Main(t.Context(), Process{Args: args, Environ: environ, Stdout: &out, Stderr: &out})
	return status, out.String()
}

// The whole way of an operator with each database: migrate, check, back again.
func TestMigrateAndCheck(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer app.Close()
	path := filepath.Join(t.TempDir(), "app.db")
	createAppTables(t, path)
	server := servertest.StartPostgres(t)
	for driver, dsn := range map[string]string{"sqlite": path, "postgres": server.NewDatabase(t)} {
		environ := []string{"SLUICE_STORE_DRIVER=" + driver, "SLUICE_STORE_DSN=" + dsn, "SLUICE_AUTH_KEY=" + testKey, "SLUICE_UPSTREAM_URL=" + app.URL}
		for _, step := range []struct{ command, want string }{
			{"migrate", "Both indexes are in place.\n"},
			{"check", "store    ok\n"},
			{"migrate --down", "Both indexes are gone.\n"},
			{"check", "store    ok, but the index sluice_notifications_user is missing; sluice migrate adds it; the index sluice_notifications_recent is missing"},
		} {
			if status, output := sluice(t, environ, strings.Fields(step.command)...); status != 0 || !strings.Contains(output, step.want) {
				t.Errorf("%s, %s: status %d\n%s", driver, step.command, status, output)
			}
		}
	}
	if status, output := sluice(t, nil, "migrate"); status != 1 || !strings.Contains(output, "upstream has no database") {
		t.Errorf("status %d: %s", status, output)
	}
	server.Kill()
}
