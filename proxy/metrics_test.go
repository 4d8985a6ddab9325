package proxy

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// admin asks the operator's listener.
func (r *rig) admin(target string) reply {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.gateway.AdminHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return reply{w.Code, w.Header(), w.Body.String()}
}

// series are the lines of /metrics that are Sluice's own, without their values;
// of a histogram only its type and its counts.
func (r *rig) series() string {
	value := regexp.MustCompile(` \S+$`)
	var lines []string
	for s := bufio.NewScanner(strings.NewReader(r.admin("/metrics").body)); s.Scan(); {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "# TYPE sluice_"):
			lines = append(lines, line)
		case strings.HasPrefix(line, "sluice_") && !strings.Contains(line, "_bucket{") && !strings.Contains(line, "_sum{"):
			lines = append(lines, value.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// everything makes a gateway use all that has metrics: Redis, which may be down, a
// certificate and a rollout.
func everything(t *testing.T) func(*config.Config) {
	flags := withFlags(t, "poll", "bridge")
	spec := write(t, "rollout.yaml", rolloutHead+"spec: {steps: [{analysis: {metrics: [{name: backend-rate, thresholdRange: {min: 1, max: 2}}]}}]}\n")
	pair := withPair(servertest.Certificate("sluice.test", time.Hour))
	return func(c *config.Config) {
		flags(c)
		pair(c)
		c.Rollout.Spec, c.Redis.URL = spec, config.NewSecret("redis://127.0.0.1:1")
	}
}

// Names, types and labels are API, and all of them are there from the start: a
// rate over something that has not happened yet is 0 and not absent. The queries of
// the dashboards and rules are compared with this list.
func TestMetricsAreAPI(t *testing.T) {
	const golden = "testdata/metrics.txt"
	got := newRig(t, everything(t)).series()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("metrics differ from %s; if that is meant, run go test ./proxy -run Metrics -update\n%s", golden, got)
	}
}

// What depends on the configuration is there from the start as well.
func TestMetricsNameSourceAndLayer(t *testing.T) {
	r := newRig(t, func(c *config.Config) {
		c.Store.Driver, c.Store.DSN = "upstream", config.Secret{}
		c.Redis.URL = config.NewSecret("redis://127.0.0.1:1")
	})
	for _, want := range []string{
		`sluice_source_requests_total{outcome="ok",source="upstream"}`, `sluice_source_request_duration_seconds_count{source="upstream"}`,
		`sluice_latest_requests_total{layer="redis",result="hit"}`,
	} {
		if !strings.Contains(r.series(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

// counts reports whether /metrics has a line, such as a series and its value.
func (r *rig) counts(line string) bool {
	r.t.Helper()
	return strings.Contains(r.admin("/metrics").body, "\nsluice_"+line+"\n")
}

// standing are series that have a value from the start.
var standing = regexp.MustCompile("flag_|config_|advised|recommended|stretch|overhead|feed_lag|legacy_stream_")

// changed are the series that differ from what they were at the start.
func (r *rig) changed() (lines []string) {
	for s := bufio.NewScanner(strings.NewReader(r.admin("/metrics").body)); s.Scan(); {
		line := s.Text()
		own := strings.HasPrefix(line, "sluice_") && !strings.Contains(line, "_seconds_sum") && !strings.Contains(line, "_bucket{")
		if own && !strings.HasSuffix(line, " 0") && !standing.MatchString(line) {
			lines = append(lines, strings.TrimPrefix(line, "sluice_"))
		}
	}
	slices.Sort(lines)
	return lines
}

func wantSeries(t *testing.T, r *rig, want ...string) {
	t.Helper()
	if got := r.changed(); !slices.Equal(got, want) {
		t.Errorf("moved:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPollsAreCounted(t *testing.T) {
	r := newRig(t, func(c *config.Config) { c.Cache.StalenessBound = config.Bound(time.Minute) })
	r.insert("alice", time.Minute, "a", "b")
	cursor := r.get("alice", "/api/notifications", "Sluice-Client: 0.1.0").page(t).Cursor
	r.get("alice", "/api/notifications?after_id="+cursor, "Sluice-Client: drop-in/1")
	r.get("alice", "/api/notifications?after_id=nonsense")
	r.get("alice", "/api/notifications?limit=abc")
	r.get("", "/api/notifications") // nobody's poll is no poll
	r.get("alice", "/page")
	wantSeries(t, r,
		`catchup_items_total 4`,
		`latest_requests_total{layer="memory",result="differs"} 1`,
		`latest_requests_total{layer="memory",result="hit"} 1`,
		`notifications_delivered_total{transport="poll"} 4`,
		`poll_duration_seconds_count{client="drop-in"} 1`,
		`poll_duration_seconds_count{client="native"} 2`,
		`poll_duration_seconds_count{client="sluice"} 1`,
		`polls_total{client="drop-in",result="empty"} 1`,
		`polls_total{client="native",result="refused"} 1`,
		`polls_total{client="native",result="reset"} 1`,
		`polls_total{client="sluice",result="items"} 1`,
		`source_request_duration_seconds_count{source="sqlite"} 2`,
		`source_requests_total{outcome="ok",source="sqlite"} 2`,
	)
}

func TestStreamsAreCounted(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "bridge"))
	r.insert("alice", time.Minute, "a", "b")
	conn := dial(t, r.public.URL)
	send(t, conn, raw("", "GET /api/stream HTTP/1.1", "Host: x", "Cookie: access_token="+tokenFor(t, "alice")))
	readUntil(t, bufio.NewReader(conn), `"id":"b"`)
	wantSeries(t, r,
		`catchup_items_total 2`,
		`compat_legacy_clients 1`,
		`compat_streams 1`,
		`notifications_delivered_total{transport="bridge"} 2`,
		`source_request_duration_seconds_count{source="sqlite"} 1`,
		`source_requests_total{outcome="ok",source="sqlite"} 1`,
	)
	if !strings.Contains(r.scrape(), "\nsluice_compat_legacy_stream_seconds_total 0.") {
		t.Errorf("no time passes for it: %s", r.scrape())
	}
	conn.Close()
	servertest.Eventually(t, "the stream counts as gone", func() bool {
		return r.counts(`compat_streams 0`) && r.counts(`compat_stream_closes_total{reason="gone"} 1`)
	})
}

// Only an end that an old page's reader did not bring about is an error to them.
func TestEndsUnderOldPagesAreCounted(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) { c.Compat.OldPageDuration = time.Millisecond })
	r.get("alice", "/api/stream")
	if !r.counts("compat_legacy_stream_ends_total 1") {
		t.Error(r.scrape())
	}
	left := newRig(t, withFlags(t, "sse", "bridge"))
	left.ask("alice", "/api/stream")
	servertest.Eventually(t, "the stream is gone", func() bool { return left.counts(`compat_stream_closes_total{reason="gone"} 1`) })
	if !left.counts("compat_legacy_stream_ends_total 0") {
		t.Error(left.scrape())
	}
}

// Users, ids and paths would make as many series as there are of them.
func TestNoMetricNamesAUser(t *testing.T) {
	r := newRig(t, withFlags(t, "poll", "bridge"), func(c *config.Config) { c.Compat.OldPageDuration = time.Millisecond })
	before := r.series()
	for _, user := range []string{"alice", "an-unusual-user"} {
		r.insert(user, time.Minute, "item-of-"+user)
		r.get(user, "/api/notifications?after_id=some-cursor", "Sluice-Client: some-version")
		r.get(user, "/api/stream")
		r.get(user, "/some/path")
	}
	if after := r.series(); after != before {
		t.Errorf("new series:\n%s\nbefore:\n%s", after, before)
	}
}
