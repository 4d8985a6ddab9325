package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/client"
	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

// The runbook, from the app alone to the app alone: every command of
// docs/migration.md, in its order, against the real program, the sample app and a
// Redis, while browsers poll and nobody loses an item.
func TestRunbook(t *testing.T) {
	t.Parallel() // it mostly waits
	m := newMigration(t)
	m.before()
	m.phase1()
	m.phase2()
	m.phase4() // phase 3 is the app's tests and documents
	m.allDone()
}

// migration is the runbook and what it is carried out on.
type migration struct {
	*document
	t           *testing.T
	app, sluice *servertest.Process
	appURL      string
	url, admin  string // Sluice's
	public      string // where the proxy points
	database    string
	db          *appdb.DB
	redis       *servertest.Redis
	crowd       *crowd
	serve       string // the command
}

func newMigration(t *testing.T) *migration {
	t.Helper()
	m := &migration{t: t, document: readDocument(t, "../docs/migration.md", "\n## How often old tabs"), redis: servertest.StartRedis(t)}
	m.database = filepath.Join(m.folder, "app.db")
	// Nobody else takes a port there while a program is away.
	address := func() string { return fmt.Sprint("127.0.0.3:", servertest.FreePort(t)) }
	appAddress, listen, admin := address(), address(), address()
	m.appURL, m.url, m.admin = "http://"+appAddress, "http://"+listen, "http://"+admin
	m.stands = map[string]string{
		"127.0.0.1:8080": listen, "127.0.0.1:8081": admin, "127.0.0.1:8000": appAddress, "127.0.0.1:6379": m.redis.Addr,
	}
	m.environ = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
		"SLUICE_ADMIN_LISTEN="+admin,     // also for commands without the configuration
		"SLUICE_CACHE_STALENESS_BOUND=0", // so that a broken database shows at once
		"SLUICE_DRAIN_GRACE=0s", "SLUICE_REDIS_TIMEOUT=5s", "USER=runbook")
	m.put("jwt.key", key)
	m.startApp()
	var err error
	if m.db, err = appdb.Open(m.database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.db.Close() })
	return m
}

func (m *migration) startApp(args ...string) {
	m.t.Helper()
	m.app = start(m.t, nil, "sampleapp", append([]string{"-listen", strings.TrimPrefix(m.appURL, "http://"), "-db", m.database, "-key", key}, args...)...)
	m.app.Line()
}

// pointAt is what an operator does to their proxy.
func (m *migration) pointAt(url string) {
	m.public, m.stands["https://app.example.com"] = url, url
	if m.crowd != nil {
		m.crowd.goTo(url)
	}
}

func (m *migration) before() {
	m.write("sluice.yaml", "yaml")
	m.write("flags.json", "json")
	m.write("rollout.yaml", "yaml",
		"duration: 1h", "duration: 2s", "interval: 1m, count: 60", "interval: 2s, count: 2, minSamples: 5",
		"interval: 1m, failureLimit: 2, onNoData: pass", "interval: 2s, failureLimit: 2, minSamples: 5, onNoData: pass",
		"interval: 5m", "interval: 5s", "cooldown: 10m", "cooldown: 1s")
	m.want(m.run("sluice check --config"), "auth     ok", "app      ok", "redis    ok", "flags    ok", "rollout  ok", "Both indexes are in place.", "users")
	m.serve = m.next("sh", "sluice serve")
	m.startSluice()
	m.stands["http://127.0.0.1:9090"] = servertest.StartPrometheus(m.t, strings.TrimPrefix(m.admin, "http://"))
	m.pointAt(m.url)
	m.want(m.run("readyz"), `"ready":true`, "at step 0", "0 % on poll, stream upstream")

	bob := m.browserOf("bob")
	if got, app := bob.get(m.url, "/api/notifications"), bob.get(m.appURL, "/api/notifications"); got != app {
		m.t.Errorf("day one changes an answer: %s, and not %s", got, app)
	}
	if line := bob.stream(m.url); strings.HasPrefix(line, ": bridge") {
		m.t.Errorf("the stream is not the app's own: %s", line)
	}
	m.crowd = startCrowd(m.t, m.db, m.url, cookieOf)
	m.eventually("nobody polls", func() bool { return m.crowd.everybody("sse") })
}

func (m *migration) startSluice() {
	m.t.Helper()
	m.sluice = m.start(m.serve)
	m.sluice.Logged("serving")
}

func (m *migration) phase1() {
	m.run("-o client.js")
	if got, err := os.ReadFile(filepath.Join(m.folder, "client.js")); err != nil || !bytes.Equal(got, client.Script()) {
		m.t.Errorf("another script, %d bytes: %v", len(got), err)
	}
	m.want(m.browserOf("alice").get(m.url, "/dashboard/new"), strings.TrimSpace(m.next("html", "script")))
	m.run(`["alice"]`)
	m.eventually("who is listed polls", m.crowd.onlyAlice)
	m.want(m.run(`promote --reason "phase 1"`), "progressing at step")
	m.someMove()
	m.eventually("bob's old page is counted", func() bool { return strings.Contains(m.metrics(), "sluice_compat_legacy_clients 1\n") })
	m.want(m.run("sluice_(compat_legacy_clients"), "% on poll", "sluice_compat_legacy_clients 1\n", "sluice_polls_total{")
	m.want(m.run("rollout pause"), "paused at step", "progressing at step")
	m.crowd.news("while few poll")

	m.waysBack()

	m.endOfPhase1()
	m.crowd.news("while everybody polls")
	if line := m.browserOf("bob").stream(m.url); !strings.HasPrefix(line, ": bridge") {
		m.t.Errorf("the stream is not bridged: %s", line)
	}
}

func (m *migration) endOfPhase1() {
	m.t.Helper()
	m.waitFor("the end of phase 1", func(s rolloutState) bool { return s.Step == 9 && s.Weight == 100 && s.Stream == "bridge" })
	m.eventually("everybody polls", func() bool { return m.crowd.everybody("poll") })
}

// waysBack takes everybody back in each way that the runbook knows, and begins
// again.
func (m *migration) waysBack() {
	m.run("rollout abort --reason")
	m.areBack("runbook")
	m.cooledDown()
	m.want(m.run("rollout retry"), "progressing at step 0", "progressing at step 1")
	m.someMove()

	hidden := m.database + ".hidden"
	m.rename(m.database, hidden) // and the rollout goes back by itself
	m.aborted("controller")
	m.rename(hidden, m.database)
	m.areBack("controller")
	m.beginAgain()

	m.run("curl -fsS -X POST")
	m.areBack("alert")
	m.beginAgain()

	m.run("/ENABLED/DISABLED/")
	m.eventually("everybody is back, who is listed too", func() bool { return m.crowd.everybody("sse") })
	m.waitFor("the pause", func(s rolloutState) bool { return s.Phase == "paused" })
	m.run("/DISABLED/ENABLED/")
	m.waitFor("the flag", func(s rolloutState) bool { return len(s.Disabled) == 0 })
	m.run("rollout resume --reason")
}

// areBack waits until an abort by somebody has everybody but alice on streams.
func (m *migration) areBack(actor string) {
	m.t.Helper()
	began := time.Now()
	m.aborted(actor)
	m.eventually("everybody is back on the stream", m.crowd.onlyAlice)
	m.t.Logf("back by %s after %s", actor, time.Since(began).Round(time.Millisecond))
}

func (m *migration) aborted(actor string) {
	m.t.Helper()
	m.waitFor("an abort by "+actor, func(s rolloutState) bool { return s.Phase == "aborted" && s.Weight == 0 && s.LastAbort.Actor == actor })
}

func (m *migration) cooledDown() {
	m.t.Helper()
	m.waitFor("the cooldown", func(s rolloutState) bool { return s.RetryFrom != nil && time.Now().After(*s.RetryFrom) })
}

func (m *migration) beginAgain() {
	m.t.Helper()
	m.cooledDown()
	m.again("rollout retry")
	m.someMove()
}

// someMove waits until others than who is listed poll.
func (m *migration) someMove() {
	m.t.Helper()
	m.eventually("some have moved", func() bool { return len(m.crowd.on("poll")) > 1 })
}

func (m *migration) rename(from, to string) {
	m.t.Helper()
	if err := os.Rename(from, to); err != nil {
		m.t.Fatal(err)
	}
}

func (m *migration) phase2() {
	bob := m.browserOf("bob")
	retire := func(run func(string) string) {
		run(`promote --reason "phase 2"`)
		m.waitFor("the last old pages", func(s rolloutState) bool {
			return s.Step == 10 && strings.Contains(s.Reason, "until nobody is on the old stream for a day")
		})
		run("promote --force")
		m.waitFor("the end", func(s rolloutState) bool { return s.Phase == "completed" && s.Stream == "retired" })
		m.eventually("the stream is retired", func() bool { return bob.status(m.url, "/api/stream") == http.StatusNoContent })
	}
	retire(m.run)
	m.again("rollout abort --reason")
	m.areBack("runbook")
	if line := bob.stream(m.url); !strings.HasPrefix(line, ": bridge") {
		m.t.Errorf("whoever is back has no stream: %s", line)
	}
	m.beginAgain()
	m.endOfPhase1()
	retire(m.again)
	m.run("rollout export")
	m.eventually("the flag file says so by itself", func() bool {
		flags, err := os.ReadFile(filepath.Join(m.folder, "flags.json"))
		return err == nil && bytes.Contains(flags, []byte(`["poll", 100]`)) && bytes.Contains(flags, []byte(`"defaultVariant": "retired"`))
	})

	m.app.Terminate()
	m.app.Status()
	m.startApp("-stream=false")
	if got := bob.status(m.appURL, "/api/stream"); got != http.StatusNotFound {
		m.t.Errorf("the app still has its stream: %d", got)
	}
	m.crowd.news("without the app's stream")
	m.aDayPasses()
	m.put("check.txt", "Cookie: "+cookieOf("alice")+"\n")
	m.want(m.run("sluice check --after --config"), "behind Sluice", "ok      old stream       retired", "ok      everybody polls  the rollout is completed", "ok      after_id", " 0 failed")
}

// aDayPasses forgets, as a day would, who was on the old stream; again and again,
// since a gateway tells Redis of the last ones within ten seconds. And it restarts the
// gateway, since its counters know of the database that was hidden.
func (m *migration) aDayPasses() {
	m.t.Helper()
	m.eventually("a day has passed", func() bool {
		if keys := m.keys("sluice:{legacy}*"); len(keys) > 0 {
			m.askRedis(func(ctx context.Context, r *redis.Client) { r.Del(ctx, keys...) })
		}
		return strings.Contains(m.metrics(), "sluice_compat_legacy_clients 0\n")
	})
	m.stopSluice()
	m.startSluice()
	m.crowd.news("after a restart")
	m.eventually("Prometheus sees it again", func() bool {
		return strings.Contains(m.browserOf("an operator").get(m.stands["http://127.0.0.1:9090"], "/api/v1/query?query=sluice_poll_interval_advised_seconds"), `"value":`)
	})
}

func (m *migration) phase4() {
	m.want(m.run("sluice_(delivery_staleness"), "sluice_delivery_staleness_seconds_count", "sluice_source_requests_total", "sluice_poll_interval_advised_seconds ", "Recommended: poll.interval")
	m.run("poll: {interval: 10s}")
	m.eventually("the longer interval", func() bool { // under load it may be longer still
		_, after, _ := strings.Cut(m.metrics(), "\nsluice_poll_interval_advised_seconds ")
		var seconds float64
		_, err := fmt.Sscan(after, &seconds)
		return err == nil && seconds >= 10
	})

	m.pointAt(m.appURL)
	m.eventually("all ask the app", func() bool { return m.crowd.everybody("") })
	m.crowd.news("from the app alone")
	m.want(m.run("sluice check --after --url"), "without Sluice", "ok      client script    /_sluice/client.js is sluice-client", "ok      old stream       gone", " 0 failed")
	m.pointAt(m.url)
	m.eventually("all are back behind Sluice", func() bool { return m.crowd.everybody("poll") })
	m.crowd.news("behind Sluice again")
	m.pointAt(m.appURL)
	m.eventually("all ask the app again", func() bool { return m.crowd.everybody("") })

	m.stopSluice()
	m.want(m.run("redis-cli"), "Both indexes are gone.")
	m.askRedis(func(ctx context.Context, r *redis.Client) {
		for _, key := range m.keys("*") {
			if life := r.TTL(ctx, key).Val(); life == -1 || life > 48*time.Hour {
				m.t.Errorf("%q is left in Redis for %s", key, life)
			}
		}
	})
	m.crowd.news("with Sluice gone")
}

func (m *migration) stopSluice() {
	m.t.Helper()
	m.sluice.Terminate()
	if status := m.sluice.Status(); status != 0 {
		m.t.Errorf("exit status %d", status)
	}
}

func (m *migration) askRedis(ask func(context.Context, *redis.Client)) {
	c := redis.NewClient(&redis.Options{Addr: m.redis.Addr})
	defer c.Close()
	ask(m.t.Context(), c)
}

func (m *migration) keys(pattern string) (keys []string) {
	m.t.Helper()
	m.askRedis(func(ctx context.Context, r *redis.Client) {
		var err error
		if keys, err = r.Keys(ctx, pattern).Result(); err != nil {
			m.t.Fatal(err)
		}
	})
	return keys
}

// rolloutState is what GET /rollout says.
type rolloutState struct {
	Phase     string
	Step      int
	Weight    int
	Stream    string
	Reason    string
	Disabled  []string
	RetryFrom *time.Time             `json:"retry_from"`
	LastAbort struct{ Actor string } `json:"last_abort"`
}

func (m *migration) state() (s rolloutState) {
	m.t.Helper()
	if err := json.Unmarshal([]byte(m.browserOf("an operator").get(m.admin, "/rollout")), &s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *migration) metrics() string {
	m.t.Helper()
	return m.browserOf("an operator").get(m.admin, "/metrics")
}

func (m *migration) waitFor(what string, there func(rolloutState) bool) {
	m.t.Helper()
	m.eventually(what, func() bool { return there(m.state()) })
}

// eventually waits; what the rollout says helps who reads a failure.
func (m *migration) eventually(what string, there func() bool) {
	m.t.Helper()
	done := false
	defer func() {
		if !done {
			m.t.Logf("the rollout: %+v", m.state())
		}
	}()
	servertest.Within(m.t, 2*servertest.Patience, what, there)
	done = true
}

func (m *migration) want(text string, parts ...string) {
	m.t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			m.t.Errorf("no %q in\n%s", p, text)
		}
	}
}
