package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// length is how long the load lasts: the shadow compares after 70 s. $SLUICE_LOAD makes it longer.
const length = 100 * time.Second

// Dashboards and rules against a real Prometheus that watches the real program: every
// query gives data, and what they say is what the load has seen.
func TestDashboardsTellWhatHappened(t *testing.T) {
	t.Parallel() // it mostly waits
	w, p := observed(t)
	l := newLoad(t, w)
	l.start(5, 20, 10, 3)
	lasts := length
	if text := os.Getenv("SLUICE_LOAD"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	var users []string
	for kind, n := range map[string]int{"native": 5, "sluice": 20, "reader": 10, "shadow": 3} {
		for i := range n {
			users = append(users, fmt.Sprintf("%s-%d", kind, i))
		}
	}
	began := time.Now()
	l.write(users, 70*time.Millisecond, began.Add(lasts*2/3))
	w.post("/rollout/pause")
	w.post("/rollout/resume")
	l.settle()
	w.withoutDatabase(l, 5*time.Second)
	l.write(users, 70*time.Millisecond, began.Add(lasts))
	l.end()
	t.Log(l)
	run := time.Since(began)
	servertest.Eventually(t, "the last scrape is in", func() bool {
		return p.value("sum(sluice_polls_total)") == l.total("items", "empty", "reset", "refused", "error") &&
			p.value(`sum(sluice_notifications_delivered_total{transport="bridge"})`) == l.items("bridge")
	})

	t.Run("numbers", func(t *testing.T) { p.t = t; wantNumbers(t, p, l, run) })
	t.Run("panels", func(t *testing.T) {
		p.t = t
		for _, q := range panelQueries(t, "20s", run) {
			if p.numbers(q) == 0 {
				t.Errorf("no data: %s", q)
			}
		}
	})
	t.Run("rules", func(t *testing.T) { p.t = t; wantRules(t, p) })
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		draw(t, p, folder)
	}
}

// draw has Grafana's own panels drawn from what Prometheus has now.
func draw(t *testing.T, p prometheus, folder string) {
	cmd := exec.CommandContext(t.Context(), "node", "../dashboards/screenshots/draw.mjs", p.url, stamp(p.start), stamp(time.Now()), folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// wantNumbers compares what Prometheus says with what the load has counted. Counts are
// exact. A rate's window begins and ends up to a second away from the run.
func wantNumbers(t *testing.T, p prometheus, l *load, run time.Duration) {
	for key, n := range l.polls {
		client, result, _ := strings.Cut(key, " ")
		if got := p.value("sum(sluice_polls_total{client=%q,result=%q})", client, result); got != n {
			t.Errorf("polls, %s: %v, not %v", key, got, n)
		}
	}
	for _, transport := range []string{"poll", "bridge"} {
		if got := p.value("sum(sluice_notifications_delivered_total{transport=%q})", transport); got != l.items(transport) {
			t.Errorf("items delivered by %s: %v, not %v", transport, got, l.items(transport))
		}
	}
	sum := 0.0
	for _, s := range l.staleness {
		sum += s
	}
	items := float64(len(l.staleness))
	live := p.value(`sum(sluice_delivery_staleness_seconds_count{transport="bridge"})`)
	for name, c := range map[string]struct{ got, want, within float64 }{
		"stale items": {p.value(`sum(sluice_delivery_staleness_seconds_count{transport="poll"})`), items, 0},
		"staleness":   {p.value(`sum(sluice_delivery_staleness_seconds_sum{transport="poll"})`), sum, 0.05 * items}, // the way back, 50 ms each
		"catch-up":    {p.value(`sum(sluice_catchup_items_total)`), l.waited + l.items("bridge") - live, 0},
	} {
		if math.Abs(c.got-c.want) > c.within {
			t.Errorf("%s: %v, not %v", name, c.got, c.want)
		}
	}
	ok, failed := l.total("items", "empty", "reset"), l.total("error")
	for panel, c := range map[string]struct{ want, within float64 }{
		"Polls":             {(ok + failed + l.total("refused")) / run.Seconds(), 0.1},
		"Success":           {ok / (ok + failed), 0.01},
		"Empty polls":       {l.total("empty") / ok, 0.05},
		"Error budget left": {1 - failed/(ok+failed)/0.001, 0.15},
		"Staleness, p95":    {l.quantile(0.95), 0.5}, // the width of its bucket
	} {
		if got := p.value("%s", panelQuery(t, panel, run.Truncate(time.Second).String(), run)); math.Abs(got/c.want-1) > c.within {
			t.Errorf("%s: %v, not %v within %v %%", panel, got, c.want, c.within*100)
		}
	}
	if got := p.value("job:sluice_polls_failed:ratio_rate1h"); math.Abs(got/(failed/(ok+failed))-1) > 0.05 {
		t.Errorf("recorded: %v failed, not %v", got, failed/(ok+failed))
	}
}

// wantRules expects that Prometheus takes every rule, that each one records, and that
// each alert had something to judge: its comparisons say 0 or 1 instead of nothing.
func wantRules(t *testing.T, p prometheus) {
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError, Type string }
			}
		}
	}
	p.get("/api/v1/rules", url.Values{}, &answer)
	n := 0
	comparison := regexp.MustCompile(` (>=?|==) `)
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
			judged := comparison.ReplaceAllString(r.Query, " $1 bool ")
			judged, _, _ = strings.Cut(judged, " unless ")                          // the gateway is there, so nothing is left of it
			if p.numbers(judged) == 0 && !strings.Contains(judged, "sluice_tls_") { // this gateway has no certificate
				t.Errorf("%s has no data: %s", r.Name, judged)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d rules", n)
	}
}

// board is a dashboard as far as it asks.
type board struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Annotations struct{ List []struct{ Expr string } }
}

// boards are the files that operators load.
func boards(t *testing.T) (all []board) {
	t.Helper()
	files, err := filepath.Glob("../dashboards/grafana/*.json")
	if err != nil || len(files) != 4 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// filled puts in what Grafana does.
func filled(expr, window string, run time.Duration) string {
	return strings.NewReplacer("$__rate_interval", window, "$__range", run.Truncate(time.Second).String(),
		"$job", ".+", "$instance", ".+", "$check", "backend-rate").Replace(expr)
}

func panelQueries(t *testing.T, window string, run time.Duration) (all []string) {
	for _, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				all = append(all, filled(q.Expr, window, run))
			}
		}
		for _, a := range b.Annotations.List {
			all = append(all, filled(a.Expr, window, run))
		}
	}
	if len(all) < 60 {
		t.Errorf("%d queries", len(all))
	}
	return all
}

// panelQuery is the first query of the panel with a title.
func panelQuery(t *testing.T, title, window string, run time.Duration) string {
	t.Helper()
	for _, b := range boards(t) {
		for _, p := range b.Panels {
			if p.Title == title {
				return filled(p.Targets[0].Expr, window, run)
			}
		}
	}
	t.Fatalf("no panel %s", title)
	return ""
}
