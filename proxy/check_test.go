package proxy

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"sluice/backend/sqlstore"
	"sluice/internal/servertest"
)

// surroundings are all that serving depends on, in good order.
func surroundings(t *testing.T) map[string]string {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/notifications" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(app.Close)
	database := filepath.Join(t.TempDir(), "app.db")
	createAppTables(t, database)
	if err := sqlstore.Migrate(t.Context(), database, sqlstore.Up); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"SLUICE_AUTH_KEY":      testKey,
		"SLUICE_UPSTREAM_URL":  app.URL,
		"SLUICE_STORE_DRIVER":  "sqlite",
		"SLUICE_STORE_DSN":     database,
		"SLUICE_REDIS_URL":     servertest.StartRedis(t).URL,
		"SLUICE_REDIS_TIMEOUT": "5s",
		"SLUICE_ROLLOUT_FLAGS": write(t, "flags.json", `{"flags": {}}`),
		"SLUICE_ROLLOUT_SPEC":  write(t, "rollout.yaml", rolloutHead+"spec: {steps: [{setWeight: 20}]}\n"),
	}
}

func TestCheck(t *testing.T) {
	const down = "127.0.0.1:1: connect: connection refused"
	bad := write(t, "bad.json", "{\n  \"flags\": {\"legacy-streams\": {}}}")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer broken.Close()
	steep := write(t, "steep.yaml", rolloutHead+"spec: {steps: [{setWeight: 101}]}\n")
	good := surroundings(t)
	for name, c := range map[string]struct {
		change map[string]string
		item   string // the line that is not ok
		want   []string
	}{
		"all is well":        {nil, "", nil},
		"the app is down":    {map[string]string{"SLUICE_UPSTREAM_URL": "http://127.0.0.1:1"}, "app", []string{"upstream.url", down}},
		"the app is broken":  {map[string]string{"SLUICE_UPSTREAM_URL": broken.URL}, "app", []string{"upstream.url", "500 Internal Server Error", "/api/notifications"}},
		"another app":        {map[string]string{"SLUICE_UPSTREAM_URL": other.URL, "SLUICE_STORE_DRIVER": "upstream", "SLUICE_STORE_DSN": ""}, "app", []string{"upstream.url", "no /api/notifications", "store.driver"}},
		"Redis is down":      {map[string]string{"SLUICE_REDIS_URL": "redis://:SECRET@127.0.0.1:1"}, "redis", []string{"redis.url", down}},
		"no key":             {map[string]string{"SLUICE_AUTH_KEY": ""}, "auth", []string{"auth.key", "auth.key_file", "SLUICE_AUTH_KEY"}},
		"a bad flag file":    {map[string]string{"SLUICE_ROLLOUT_FLAGS": bad}, "flags", []string{bad + ":2:13", "legacy-streams"}},
		"no flag file":       {map[string]string{"SLUICE_ROLLOUT_FLAGS": "/none/flags.json"}, "flags", []string{"/none/flags.json: no such file"}},
		"a bad rollout file": {map[string]string{"SLUICE_ROLLOUT_SPEC": steep}, "rollout", []string{"rollout.spec: " + steep + ":3:28: spec.steps[0].setWeight: 101"}},
		"no database":        {map[string]string{"SLUICE_STORE_DSN": "/none/app.db"}, "store", []string{"store.dsn", "no such file"}},
		"no tables in there": {map[string]string{"SLUICE_STORE_DSN": write(t, "empty.db", "")}, "store", []string{"store.dsn", "no such table: notifications"}},
	} {
		t.Run(name, func(t *testing.T) {
			var environ []string
			for key, value := range good {
				if v, ok := c.change[key]; ok {
					value = v
				}
				environ = append(environ, key+"="+value)
			}
			status, stdout, stderr := execute(t, environ, "check")
			if strings.Contains(stdout+stderr, "SECRET") || strings.Contains(stdout+stderr, testKey) {
				t.Errorf("a secret: %s%s", stdout, stderr)
			}
			wantVerdicts(t, stdout, c.item, c.want)
			switch {
			case c.item == "" && (status != 0 || stderr != ""):
				t.Errorf("%d %s", status, stderr)
			case c.item != "" && (status != 1 || stderr != "sluice: 1 of the above must be put right\n"):
				t.Errorf("%d %s", status, stderr)
			}
		})
	}
}

// wantVerdicts expects ok for every item but the bad one.
func wantVerdicts(t *testing.T, stdout, bad string, want []string) {
	t.Helper()
	items := map[string]bool{}
	for line := range strings.Lines(stdout) {
		item, verdict, _ := strings.Cut(strings.TrimSpace(line), " ")
		items[item] = true
		verdict = strings.TrimSpace(verdict)
		if item == "changes" {
			continue // advice
		}
		if (verdict == "ok") != (item != bad) {
			t.Errorf("%s: %s", item, verdict)
		}
		for _, w := range want {
			if item == bad && !strings.Contains(verdict, w) {
				t.Errorf("%s: %s, want %s", item, verdict, w)
			}
		}
	}
	delete(items, "changes")
	if len(items) != 6 {
		t.Errorf("want a line for auth, app, store, redis, flags and rollout: %s", stdout)
	}
}

// Where nothing can be followed, check says what that costs and which line in the
// app would change it.
func TestCheckTellsWhatSignalsWouldSave(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		want    []string
	}{
		"nothing":   {nil, []string{"believed for 2s", "12.0 reads a minute; 1.7", "set admin.token", `POST {"user_id": …}`, "http://127.0.0.1:8081/internal/changed"}},
		"a token":   {[]string{"SLUICE_ADMIN_TOKEN=SECRET"}, []string{"after each commit one thing more: POST"}},
		"Redis":     {[]string{"SLUICE_REDIS_URL=redis://127.0.0.1:1"}, []string{"PUBLISH sluice:changed <user id>"}},
		"own bound": {[]string{"SLUICE_CACHE_STALENESS_BOUND=20s"}, []string{"an item may wait 20s"}},
	} {
		_, stdout, _ := execute(t, append(c.environ, "SLUICE_UPSTREAM_URL=http://127.0.0.1:1"), "check")
		for _, w := range c.want {
			if !strings.Contains(stdout, w) || strings.Contains(stdout, "SECRET") {
				t.Errorf("%s: %s, want %s", name, stdout, w)
			}
		}
	}
}

// A configuration that cannot be read is refused before anything is looked at.
func TestCheckOfABadFile(t *testing.T) {
	file := write(t, "sluice.yaml", "store: {driver: mysql}\n")
	status, stdout, stderr := execute(t, nil, "check", "--config", file)
	if status != 1 || stdout != "" || !strings.Contains(stderr, file+":1:17: store.driver: ") {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
}
