package proxy

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// aReport is of 1,000 clients on two gateways.
func aReport(change func(*config.Config, *tuneFigures)) tuneReport {
	empty, observed, staleness, reads, saved := 0.93, 5.3, 4.9, 3.2, 150.0
	m := tuneFigures{
		Gateways: 2, Clients: 1000, Polls: 200, Unmoved: 2, Empty: &empty, Advised: 5, Observed: &observed, Staleness: &staleness,
		Items: 4, Overhead: 0.6, Stretch: 1, Reads: &reads, Saved: &saved,
	}
	c := config.Default()
	c.Poll.Ceiling = 30 * time.Second
	if change != nil {
		change(&c, &m)
	}
	return newTuneReport(c, time.Hour, m)
}

func TestTuneText(t *testing.T) {
	const want = `Measured over 1h, 2 gateways:
  clients     1000 that poll as they are told
  polls       200/s, 93 % empty; 2/s of others, which no interval moves
  interval    told 5s, really 5.3s; items find clients in waits 1 times as long as told
  staleness   4.9s at 95 % of 4 items/s (target 10s); 0.6s of an item's age are no wait for a poll
  cost        3.2 reads of the app's data for each delivered item; the cache saves 150/s

Recommended: poll.interval 8s (the longest that keeps the staleness target: 9s)

  interval  staleness at 95 %                  polls/s, at most
        1s  #       |                   1.65s  ######################## 1002
        2s  ##      |                   2.69s  ############             502
        3s  ###     |                   3.73s  ########                 335
        5s  ####    |                   5.82s  #####                    202  <- now
        7s  ######  |                   7.91s  ###                      145
        8s  ####### |                   8.96s  ###                      127  <- recommended
       10s  ########|                     11s  ##                       102
       15s  ########|###                16.3s  ##                       68.7
       20s  ########|#######            21.5s  #                        52
       30s  ########|###############    31.9s  #                        35.3
`
	if got := aReport(nil).text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What cannot be had is said with what it would take.
func TestTuneSaysWhatIsInfeasible(t *testing.T) {
	for want, change := range map[string]func(*config.Config, *tuneFigures){
		"poll.interval 21s (as often as 50 polls/s allow: 20.8s)\nInfeasible: the target needs 113 polls/s\n": func(c *config.Config, _ *tuneFigures) { c.Tune.PollBudget = 25 },
		"poll.interval 30s (poll.ceiling)\nInfeasible: the target needs 113 polls/s\n":                        func(c *config.Config, _ *tuneFigures) { c.Tune.PollBudget = 1 },
		"poll.interval 1s (the shortest there is)\nInfeasible: the target needs an interval of 0.383s, and clients take no less than 1s\n": func(c *config.Config, _ *tuneFigures) {
			c.Tune.StalenessTarget = time.Second
		},
		"Infeasible: an item's age is 10s without any wait for a poll, so no interval meets 10s\n": func(_ *config.Config, m *tuneFigures) { m.Overhead = 10 },
		"there are no clients that would follow the interval":                                      func(_ *config.Config, m *tuneFigures) { m.Clients = 0 },
		"poll.interval 30s (poll.ceiling)\n\n":                                                     func(c *config.Config, _ *tuneFigures) { c.Tune.StalenessTarget = time.Hour },
		"told 5s, really -s; ":                                                                     func(_ *config.Config, m *tuneFigures) { m.Observed = nil },
	} {
		if got := aReport(change).text(); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestTuneJSON(t *testing.T) {
	var b strings.Builder
	r := aReport(func(c *config.Config, _ *tuneFigures) { c.Tune.PollBudget = 1 })
	if err := r.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]any
	_ = json.Unmarshal([]byte(b.String()), &got) // of which the list is none
	if got["recommended"]["t_cap_seconds"] != nil || got["recommended"]["poll_interval_seconds"] != 30.0 || got["target"]["polls_per_second"] != 2.0 {
		t.Error(b.String())
	}
}

// With a real Prometheus before a real gateway: what it says is what the clients did.
func TestTuneAsksPrometheus(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Cache.StalenessBound = config.Bound(time.Minute) })
	admin := httptest.NewServer(r.gateway.AdminHandler())
	t.Cleanup(admin.Close)
	url := servertest.StartPrometheus(t, strings.TrimPrefix(admin.URL, "http://"))
	environ := []string{"SLUICE_TUNE_STALENESS_TARGET=20s"}
	args := []string{"tune", "--prometheus", url, "--window", "10s", "--output", "json"}
	servertest.Eventually(t, "Prometheus has scraped, and no polls", func() bool {
		_, _, stderr := execute(t, environ, args...)
		return stderr == "sluice: no polls in the last 10s: nothing to go by\n"
	})
	var report tuneReport
	cursor := "0"
	servertest.Eventually(t, "the polls are seen", func() bool {
		r.insert("alice", time.Second, fmt.Sprintf("item-%d", time.Now().UnixNano()))
		r.gateway.feed.Signal(t.Context(), "alice")
		cursor = r.get("alice", "/api/notifications?after_id="+cursor, "Sluice-Client: 0.1.0", "Sluice-Elapsed: 5").page(t).Cursor
		for range 2 { // which bring nothing, and read nothing
			r.get("alice", "/api/notifications?after_id="+cursor, "Sluice-Client: 0.1.0", "Sluice-Elapsed: 5")
		}
		status, stdout, _ := execute(t, environ, args...)
		return status == 0 && json.Unmarshal([]byte(stdout), &report) == nil && report.Measured.Items > 0 && report.Measured.Saved != nil && *report.Measured.Saved > 0
	})
	m := report.Measured
	for what, ok := range map[string]bool{
		"gateways":  m.Gateways == 1,
		"clients":   math.Abs(m.Clients-5*m.Polls) < 0.01*m.Clients,
		"others":    m.Unmoved < 0.01*m.Polls,
		"empty":     m.Empty != nil && math.Abs(*m.Empty-2./3) < 0.1,
		"interval":  m.Advised == 5 && m.Observed != nil && math.Abs(*m.Observed-5) < 0.01,
		"staleness": m.Staleness != nil && *m.Staleness >= 0.5 && *m.Staleness <= 2,
		"reads":     m.Reads != nil && math.Abs(*m.Reads-1) < 0.2,
		"saved":     math.Abs(*m.Saved/m.Polls-2./3) < 0.1,
		"target":    report.Target.Staleness == 20,
		"advice":    report.Recommended.Feasible && report.Recommended.Whole >= 15 && report.Recommended.Whole <= 19,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, report)
		}
	}
	_, stdout, _ := execute(t, environ, "tune", "--prometheus", url, "--window", "10s", "--budget", "0.1")
	if !strings.Contains(stdout, "Infeasible: the target needs ") || !strings.Contains(stdout, "<- now") {
		t.Error(stdout)
	}
	_, _, stderr := execute(t, nil, "tune", "--prometheus", url, "--match", `job="other"`)
	if want := "sluice: " + url + ` has no sluice_polls_total over the last 1h of {job="other"}: does it scrape the gateways' admin listeners, at /metrics?` + "\n"; stderr != want {
		t.Errorf("%s\nwant %s", stderr, want)
	}
}

func TestTuneErrors(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	odd := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(odd.Close)
	for want, args := range map[string][]string{
		"prometheus at " + down.URL + ": ": {"--prometheus", down.URL},
		"prometheus at " + odd.URL + ": ":  {"--prometheus", odd.URL},
		"--prometheus: ":                   {"--prometheus", "http://a b"},
		"--target: want 1s or more":        {"--target", "10ms"},
		"--quantile: want 0.5 to 0.999":    {"--quantile", "95"},
		"--budget: want 0 or more":         {"--budget=-1"},
		"--window: want 10s or more":       {"--window", "1s"},
	} {
		status, stdout, stderr := execute(t, nil, append([]string{"tune"}, args...)...)
		if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "sluice: "+want) {
			t.Errorf("%v: %d %q %q", args, status, stdout, stderr)
		}
	}
}
