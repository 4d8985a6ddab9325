package proxy

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/servertest"
)

// reloads is a gateway that follows a file; a look is what happens once a second.
type reloads struct {
	*rig
	reloader
}

func newReloads(t *testing.T) *reloads {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	return &reloads{r, reloader{file: file, environ: []string{"SLUICE_AUTH_KEY=" + testKey}, gateway: r.gateway}}
}

func (r *reloads) write(content string) {
	r.t.Helper()
	r.put(r.file, content)
	r.look(false)
}

func (r *reloads) put(file, content string) {
	r.t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reloads) told(message string) int { return r.logs.FilterMessage(message).Len() }

const refused = "configuration refused, the last good one stays"

func TestTheOperatorsLever(t *testing.T) {
	r := newReloads(t)
	r.write("poll: {interval: 5s}")
	r.wantInterval("at first", 5, false)
	r.write("poll: {interval: 9s, limit_default: 2, limit_max: 3}")
	r.wantInterval("changed", 9, false)
	r.insert("alice", 0, "a", "b", "c", "d")
	for target, want := range map[string]int{"/api/notifications": 2, "/api/notifications?limit=9": 3} {
		if got := len(r.get("alice", target).page(t).Notifications); got != want {
			t.Errorf("%s: %d items, want %d", target, got, want)
		}
	}
	r.write("poll: {interval: 9s, ceiling: 40s, paused: true}")
	r.wantInterval("paused", 40, true)
	r.write("poll: {interval: 3s}")
	r.wantInterval("no longer", 3, false)
	if n := r.told("configuration reloaded"); n != 3 {
		t.Errorf("told %d times", n)
	}
	r.look(false)
	if n := r.told("configuration reloaded"); n != 3 {
		t.Errorf("told again of the same")
	}
}

// Whatever is wrong with it, nothing of it is taken over.
func TestABadConfigurationIsRefusedAsAWhole(t *testing.T) {
	r := newReloads(t)
	r.write("poll: {interval: 7s}")
	for i, content := range []string{
		"poll: {interval: 8s, ceiling: 7s}", "poll: {interval: 8s}\nfoo: 1", "poll: {interval: 8s", "poll: {interval: 8s}\nauth: {key_file: /none}",
	} {
		r.write(content)
		r.wantInterval(content, 7, false)
		if !r.counts("config_last_reload_successful 0") || r.told(refused) != i+1 {
			t.Errorf("%s: not refused", content)
		}
	}
	os.Remove(r.file)
	r.look(false)
	r.wantInterval("no file", 7, false)
	if r.told(refused) != 5 {
		t.Error("a missing file is good")
	}
	r.environ = nil // so the key is missing
	r.write("poll: {interval: 8s}")
	r.wantInterval("no key", 7, false)
	r.environ = []string{"SLUICE_AUTH_KEY=" + testKey}
	r.write("poll: {interval: 6s}")
	r.wantInterval("good again", 6, false)
	if !r.counts("config_last_reload_successful 1") {
		t.Error("still bad")
	}
}

// What cannot change while the gateway runs is said, and keeps nothing else back.
func TestChangesThatNeedARestart(t *testing.T) {
	r := newReloads(t)
	before := r.value("poll_interval_recommended_seconds")
	r.write("poll: {interval: 6s}\nlisten: localhost:1\ntune: {staleness_target: 20s}")
	r.wantInterval("beside it", 6, false)
	r.wantValue("poll_interval_recommended_seconds", before, 0.1)
	r.look(false) // is not told again
	found := r.logs.FilterMessage("these changes need a restart").All()
	if len(found) != 1 || !strings.Contains(found[0].ContextMap()["keys"].(string), "listen") {
		t.Errorf("told %v", found)
	}
}

func TestFarewellIsReloaded(t *testing.T) {
	r := newReloads(t)
	r.write("compat: {say_farewell: true}")
	next := r.openStream("alice")
	next("Reload this page")
}

// Who signs tokens can change its key without a restart and without signing anybody
// out; what was signed with the old one is then refused.
func TestKeysAreReloaded(t *testing.T) {
	r := newReloads(t)
	r.insert("alice", 0, "a")
	ask := func() int { return r.get("alice", "/api/notifications").status }
	for _, step := range []struct {
		content string
		want    int
	}{
		{"auth: {key: " + testKey + "}", http.StatusOK},
		{"auth: {key: another key of at least 32 bytes, old_key: '" + testKey + "'}", http.StatusOK},
		{"auth: {key: another key of at least 32 bytes}", http.StatusUnauthorized},
	} {
		r.environ = nil
		r.write(strings.Replace(step.content, testKey+"}", "'"+testKey+"'}", 1))
		if got := ask(); got != step.want {
			t.Errorf("%s: %d", step.content, got)
		}
	}
}

func TestTheAdminTokenIsReloaded(t *testing.T) {
	r := newReloads(t)
	for _, token := range []string{"one", "two"} {
		r.write("admin: {token: " + token + "}")
		for _, given := range []string{"one", "two"} {
			w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/internal/changed", strings.NewReader(`{"user_id":"alice"}`))
			req.Header.Set("Authorization", "Bearer "+given)
			r.rig.gateway.AdminHandler().ServeHTTP(w, req)
			if want := given == token; (w.Code < 300) != want {
				t.Errorf("the token is %s, given %s: %d", token, given, w.Code)
			}
		}
	}
}

// A process reloads by itself, secrets in files too, and tries again at SIGHUP.
func TestTheProcessReloads(t *testing.T) {
	dir := t.TempDir()
	file, key := filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "key")
	put := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(key, testKey)
	conf := "listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\ndrain: {grace: 0s}\nauth: {key_file: " + key + "}\n"
	put(file, conf)
	p := launch(t, nil, "serve", "--config", file)
	says := func(text string, times int) {
		t.Helper()
		servertest.Eventually(t, text, func() bool { return strings.Count(p.stderr.String(), text) == times })
	}
	says(`"serving"`, 1)
	put(file, conf+"poll: {interval: 7s}\n")
	says(`"configuration reloaded"`, 1)
	os.Remove(key)
	says(`"`+refused+`"`, 1)
	hangUp(t)
	says(`"`+refused+`"`, 2)
	put(key, testKey+"!")
	says(`"changed":"auth.key"`, 1)
	if status := p.stopped(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func hangUp(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
}
