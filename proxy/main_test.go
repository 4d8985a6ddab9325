package proxy

import (
	"encoding/json"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands and their options are what the documents say they are.
func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	const golden = "testdata/help.txt"
	var got strings.Builder
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"check", "--help"}, {"rollout", "--help"}, {"rollout", "plan", "--help"}, {"rollout", "status", "--help"}, {"rollout", "promote", "--help"}, {"rollout", "abort", "--help"}, {"rollout", "export", "--help"}, {"tune", "--help"}, {"migrate", "--help"}, {"demo", "--help"}} {
		status, stdout, stderr := execute(t, nil, args...)
		if status != 0 || stderr != "" {
			t.Errorf("%v: %d %s", args, status, stderr)
		}
		got.WriteString("$ sluice " + strings.Join(args, " ") + "\n" + stdout + "\n")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the help differs from %s; if that is meant, run go test ./proxy -run Help -update\n%s", golden, got.String())
	}
}

func TestCommandLinesThatCannotBeUnderstood(t *testing.T) {
	for _, line := range []string{"", "nope", "serve --nope", "serve extra", "serve --config", "--config x serve"} {
		status, stdout, stderr := execute(t, nil, strings.Fields(line)...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "sluice: ") || !strings.Contains(stderr, "sluice --help") {
			t.Errorf("%q: %d %s%s", line, status, stdout, stderr)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	typo := write(t, "sluice.yaml", "listen: 127.0.0.1:0\npoll: {intervall: 5s}\n")
	value := write(t, "sluice.yaml", "poll:\n  interval: 0s\n")
	flags := write(t, "flags.json", "{\n  \"flags\": 5}")
	for name, c := range map[string]struct {
		config  string
		environ []string
		want    string
	}{
		"an unknown key":      {typo, nil, typo + ":2:8: poll.intervall: unknown key; did you mean poll.interval?"},
		"a bad value":         {value, nil, value + ":2:13: poll.interval: "},
		"a bad variable":      {"", []string{"SLUICE_POLL_INTERVAL=often"}, "SLUICE_POLL_INTERVAL: poll.interval: "},
		"a file that is not":  {"/none/sluice.yaml", nil, "/none/sluice.yaml: no such file"},
		"no key":              {"", nil, "auth.key: is empty; set it or auth.key_file"},
		"no flag file":        {"", anyPorts("SLUICE_ROLLOUT_FLAGS=/none/flags.json"), "/none/flags.json: no such file"},
		"a bad flag file":     {"", anyPorts("SLUICE_ROLLOUT_FLAGS=" + flags), flags + ":2:3: flags: must be an object"},
		"a bad Redis address": {"", anyPorts("SLUICE_REDIS_URL=http://user:SECRET@x"), "SLUICE_REDIS_URL: redis.url: is not an address such as"},
	} {
		args := []string{"serve"}
		if c.config != "" {
			args = append(args, "--config", c.config)
		}
		status, stdout, stderr := execute(t, c.environ, args...)
		if status != 1 || stdout != "" || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "SECRET") {
			t.Errorf("%s: %d %s, want %s", name, status, stderr, c.want)
		}
	}
}

func TestPortsInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for variable, key := range map[string]string{"SLUICE_LISTEN": "listen", "SLUICE_ADMIN_LISTEN": "admin.listen"} {
		status, _, stderr := execute(t, anyPorts(variable+"="+taken.Addr().String()), "serve")
		want := "sluice: " + key + ": listen tcp " + taken.Addr().String() + ": bind: address already in use; choose another address"
		if status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d %s, want %s", key, status, stderr, want)
		}
	}
	for flag, want := range map[string]string{"--listen": "sluice: listen: ", "--app": "sluice: --app: ", "--admin": "sluice: admin.listen: "} {
		args := []string{"demo", "--listen", "127.0.0.1:0", "--app", "127.0.0.1:0", "--admin", "127.0.0.1:0", flag, taken.Addr().String()}
		status, stdout, stderr := execute(t, nil, args...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, want) || !strings.Contains(stderr, "in use; choose another") {
			t.Errorf("demo %s: %d %s%s", flag, status, stdout, stderr)
		}
	}
}

// From start to stop: it answers, warns, logs lines of JSON, and ends with 0.
func TestServe(t *testing.T) {
	app := httptest.NewServer(oddApp())
	defer app.Close()
	p := launch(t, anyPorts("SLUICE_UPSTREAM_URL="+app.URL, "SLUICE_SERVICE_HOST=10.0.0.1"), "serve")
	public, admin := p.started()
	if reply := fetch(t, public+"/big", ""); reply.status != 200 || len(reply.body) != 1<<20 {
		t.Errorf("passed: %d, %d bytes", reply.status, len(reply.body))
	}
	if reply := fetch(t, public+"/api/notifications", ""); reply.status != 401 {
		t.Errorf("a poll: %d", reply.status)
	}
	if reply := fetch(t, admin+"/readyz", ""); reply.status != 200 {
		t.Errorf("ready: %d", reply.status)
	}
	if status := p.stopped(); status != 0 {
		t.Errorf("ended with %d", status)
	}
	warning, log, _ := strings.Cut(p.stderr.String(), "\n")
	if !strings.HasPrefix(warning, "sluice: warning: SLUICE_SERVICE_HOST: ") {
		t.Errorf("warning: %s", warning)
	}
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a line of JSON: %s", line)
		}
	}
	if p.stdout.String() != "" {
		t.Errorf("on standard output: %s", p.stdout.String())
	}
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	db := createAppTables(t, path)
	sqlite := []string{"SLUICE_STORE_DRIVER=sqlite", "SLUICE_STORE_DSN=" + path}
	for range 2 { // it may run again
		if status, stdout, stderr := execute(t, sqlite, "migrate"); status != 0 || stdout != "Both indexes are in place.\n" || stderr != "" {
			t.Errorf("%d %s%s", status, stdout, stderr)
		}
	}
	var indexes, tables int
	if err := db.QueryRow(`SELECT count(*) FILTER (WHERE type = 'index' AND sql IS NOT NULL), count(*) FILTER (WHERE type = 'table') FROM sqlite_master`).Scan(&indexes, &tables); err != nil {
		t.Fatal(err)
	}
	if indexes != 2 || tables != 2 {
		t.Errorf("%d indexes, %d tables", indexes, tables)
	}
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"the app's endpoint": {nil, "store.driver: upstream has no database to migrate; set it to sqlite or postgres, and store.dsn to the app's database"},
		"no database":        {[]string{"SLUICE_STORE_DRIVER=sqlite", "SLUICE_STORE_DSN=/none/app.db"}, "/none/app.db: "},
		"no path":            {[]string{"SLUICE_STORE_DRIVER=sqlite"}, "SLUICE_STORE_DRIVER: store.driver: store.driver sqlite needs store.dsn"},
	} {
		if status, _, stderr := execute(t, c.environ, "migrate"); status != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: %d %s", name, status, stderr)
		}
	}
}
