package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

// fleet is three gateways over one Redis before the sample app, watched by a
// Prometheus.
type fleet struct {
	root     *testing.T // at whose end all of it stops
	t        *testing.T // that is under way
	redis    *servertest.Redis
	app      *faultyApp
	db       *appdb.DB
	flags    string // the flag file of all gateways
	gateways []*member
	http     *http.Client // of all pages
	seen     uint64       // the version after the last command
	healed   time.Time    // when something last went wrong no more
}

// member is one gateway; it keeps its addresses when it starts again.
type member struct {
	url, admin string
	environ    []string
	process    *servertest.Process
}

const (
	fleetToken    = "the operator's token"
	fleetInterval = 2 * time.Second
	// fleetFlags is what people wrote: two users are named, all others are the rollout's.
	fleetFlags = `{"flags": {
  "notifications-transport": {"state": %q, "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "sse",
    "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["pinned-poll"]]}, "poll", {"in": [{"var": "targetingKey"}, ["pinned-sse"]]}, "sse",
      {"fractional": [["poll", 0], ["sse", 100]]}]}},
  "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge"}, "defaultVariant": "upstream"}}}`
)

// newFleet starts all of it. The spec gets Prometheus's address for its %s.
func newFleet(t *testing.T, spec string) *fleet {
	t.Helper()
	f := &fleet{root: t, t: t, redis: servertest.StartRedis(t), flags: filepath.Join(t.TempDir(), "flags.json")}
	f.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: time.Minute}
	t.Cleanup(f.http.CloseIdleConnections)
	database := filepath.Join(t.TempDir(), "app.db")
	app := start(t, nil, "sampleapp", "-db", database, "-key", key)
	f.app = startFaultyApp(t, app.Line())
	var err error
	if f.db, err = appdb.Open(database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.db.Close() })
	f.writeFlags(fmt.Sprintf(fleetFlags, "ENABLED"))

	var targets []string
	for range 3 {
		g := &member{url: "http://" + freeAddress(t), admin: "http://" + freeAddress(t)}
		f.gateways, targets = append(f.gateways, g), append(targets, strings.TrimPrefix(g.admin, "http://"))
	}
	file := filepath.Join(t.TempDir(), "rollout.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, spec, servertest.StartPrometheus(t, targets...)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, g := range f.gateways {
		g.environ = []string{
			"SLUICE_LISTEN=" + strings.TrimPrefix(g.url, "http://"), "SLUICE_ADMIN_LISTEN=" + strings.TrimPrefix(g.admin, "http://"),
			"SLUICE_ADMIN_TOKEN=" + fleetToken, "SLUICE_AUTH_KEY=" + key, "SLUICE_UPSTREAM_URL=" + f.app.url, "SLUICE_UPSTREAM_TIMEOUT=5s",
			"SLUICE_REDIS_URL=" + f.redis.URL, "SLUICE_REDIS_TIMEOUT=1s", "SLUICE_POLL_INTERVAL=" + fleetInterval.String(), "SLUICE_POLL_CEILING=" + (2 * fleetInterval).String(), "SLUICE_LOG_LEVEL=warn",
			"SLUICE_COMPAT_MAX_DURATION=3s", "SLUICE_COMPAT_OLD_PAGE_DURATION=8s",
			"SLUICE_ROLLOUT_FLAGS=" + f.flags, "SLUICE_ROLLOUT_SPEC=" + file,
		}
		f.start(g)
	}
	return f
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
}

func (f *fleet) start(g *member) {
	f.t.Helper()
	g.process = start(f.root, g.environ, "sluice", "serve")
	servertest.Eventually(f.t, "a gateway listens", func() bool {
		g.process.Running()
		resp, err := http.Get(g.admin + "/healthz")
		return err == nil && resp.Body.Close() == nil
	})
}

// tab prepares a page; its user is signed in.
func (f *fleet) tab(user string, old bool) *tab {
	f.t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user_id": user, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(key))
	if err != nil {
		f.t.Fatal(err)
	}
	return &tab{user: user, cookie: "access_token=" + token, old: old, fleet: f, shown: map[string]time.Time{}}
}

// writeFlags replaces the flag file in one step, as an editor does.
func (f *fleet) writeFlags(text string) {
	f.t.Helper()
	err := os.WriteFile(f.flags+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(f.flags+".new", f.flags)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// position is what a gateway says of the rollout.
type position struct {
	Version      uint64
	Phase        string
	Step, Weight int
	Stream       string
	Reason       string
	Leader       bool
	Frozen       string
	Replicas     int
	Checks       []check
	Audit        []entry
}

type check struct {
	Name       string
	Background bool
	Passed     int
}

type entry struct {
	At                               time.Time
	Version                          uint64
	Actor, Change, From, To          string
	Trigger, Cause, Check, Threshold string
	Value                            *float64
}

// status asks one gateway; false if it is not there.
func (g *member) status() (p position, ok bool) {
	resp, err := http.Get(g.admin + "/rollout")
	if err != nil {
		return p, false
	}
	defer resp.Body.Close()
	return p, json.NewDecoder(resp.Body).Decode(&p) == nil && resp.StatusCode == http.StatusOK
}

// leader waits for the gateway that leads.
func (f *fleet) leader() (leader *member) {
	f.t.Helper()
	servertest.Eventually(f.t, "somebody leads", func() bool {
		i := slices.IndexFunc(f.gateways, func(g *member) bool { p, ok := g.status(); return ok && p.Leader })
		if i >= 0 {
			leader = f.gateways[i]
		}
		return i >= 0
	})
	return leader
}

// waitFor waits until any gateway that knows of the last command says something of
// the rollout, and returns that.
func (f *fleet) waitFor(what string, holds func(position) bool) (p position) {
	f.t.Helper()
	var last position
	defer func() {
		if f.t.Failed() {
			f.t.Logf("at last: %s at step %d, weight %d: %s; frozen: %q", last.Phase, last.Step, last.Weight, last.Reason, last.Frozen)
		}
	}()
	servertest.Within(f.t, 2*servertest.Patience, what, func() bool {
		for _, g := range f.gateways {
			if got, ok := g.status(); ok && got.Version >= f.seen {
				p, last = got, got
				if holds(p) {
					return true
				}
			}
		}
		return false
	})
	return p
}

func (f *fleet) waitForWeight(weight int) position {
	f.t.Helper()
	return f.waitFor(fmt.Sprintf("weight %d", weight), func(p position) bool {
		if p.Phase == "aborted" {
			f.t.Fatalf("aborted at step %d: %s", p.Step, p.Reason)
		}
		return (p.Phase == "progressing" || p.Phase == "completed") && p.Weight == weight
	})
}

// command sends one to a gateway that is there.
func (f *fleet) command(verb string) {
	f.t.Helper()
	for _, g := range f.gateways {
		req, err := http.NewRequest(http.MethodPost, g.admin+"/rollout/"+verb, bytes.NewBufferString(`{"actor":"e2e"}`))
		if err != nil {
			f.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+fleetToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // it was killed
		}
		defer resp.Body.Close()
		var p position
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != http.StatusOK {
			f.t.Fatalf("%s: %s, %v", verb, resp.Status, err)
		}
		f.seen = p.Version
		return
	}
	f.t.Fatal("no gateway is there")
}
