package dashboards

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selector is one place in a query where series are chosen.
type selector struct {
	name     string
	matchers map[string]string // label to operator and value, such as =~"a|b"
	window   string            // of a range, or empty
	call     string            // the function directly around it, or empty
}

// ours finds every selector: all names that queries of this package choose begin
// with sluice_, or are recorded from such.
var (
	ours    = regexp.MustCompile(`(?:(\w+)\()?\b((?:job:)?sluice_[a-z0-9_]+(?::[a-z0-9_]+)?)(?:\{([^}]*)\})?(?:\[([^\]]+)\])?`)
	matcher = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
	by      = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

func selectors(expr string) (all []selector) {
	for _, m := range ours.FindAllStringSubmatch(expr, -1) {
		s := selector{name: m[2], matchers: map[string]string{}, window: m[4], call: m[1]}
		for _, l := range matcher.FindAllStringSubmatch(m[3], -1) {
			s.matchers[l[1]] = l[2] + `"` + l[3] + `"`
		}
		all = append(all, s)
	}
	return all
}

// grouped are the labels that a query groups by.
func grouped(expr string) (labels []string) {
	for _, m := range by.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, strings.Split(m[1], ", ")...)
	}
	return labels
}

// known are the metrics that the program has, by their names in queries, and the
// values of each label. They come from the golden file of a test in proxy.
func known(t *testing.T) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../proxy/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]map[string][]string{}
	for line := range strings.Lines(string(text)) {
		name, labels, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "{")
		if strings.HasPrefix(name, "#") {
			continue
		}
		names := []string{name}
		if base, ok := strings.CutSuffix(name, "_count"); ok {
			names = append(names, base+"_sum", base+"_bucket")
		}
		for _, n := range names {
			if metrics[n] == nil {
				metrics[n] = map[string][]string{"job": nil, "instance": nil} // of any value: they are Prometheus's
			}
			if strings.HasSuffix(n, "_bucket") {
				metrics[n]["le"] = nil
			}
			for _, l := range matcher.FindAllStringSubmatch(labels, -1) {
				metrics[n][l[1]] = append(metrics[n][l[1]], l[3])
			}
		}
	}
	if len(metrics) < 30 {
		t.Fatalf("the golden file names %d metrics", len(metrics))
	}
	return metrics
}

// free are labels whose values depend on the configuration.
var free = []string{"job", "instance", "le", "source", "metric"}

// wantKnown fails for what a query names and the program does not have: a metric, a
// label, or the value of one. Each would leave a panel blank or an alert silent.
func wantKnown(t *testing.T, metrics map[string]map[string][]string, expr string) {
	t.Helper()
	labels := map[string]bool{}
	for _, s := range selectors(expr) {
		if strings.Contains(s.name, ":") {
			labels["job"] = true
			continue // recorded; TestRecordedNames knows
		}
		has, ok := metrics[s.name]
		if !ok {
			t.Errorf("there is no metric %s: %s", s.name, expr)
			continue
		}
		for label := range has {
			labels[label] = true
		}
		for label, text := range s.matchers {
			values, ok := has[label]
			if !ok {
				t.Errorf("%s has no label %s: %s", s.name, label, expr)
			}
			if slices.Contains(free, label) {
				continue
			}
			for value := range strings.SplitSeq(strings.Trim(text, `!=~"`), "|") {
				if !slices.Contains(values, value) {
					t.Errorf("%s is never %q of %s: %s", label, value, s.name, expr)
				}
			}
		}
	}
	for _, label := range grouped(expr) {
		if !labels[label] {
			t.Errorf("nothing has the label %s, by which is grouped: %s", label, expr)
		}
	}
}

// What finds selectors has to find them: the tests rely on it.
func TestSelectors(t *testing.T) {
	got := selectors(`sum by (le) (rate(sluice_a_total{x="1", y=~"a|b"}[5m])) / job:sluice_b:ratio_rate1h > max(sluice_c)`)
	if len(got) != 3 || got[0].name != "sluice_a_total" || got[0].call != "rate" || got[0].window != "5m" || got[0].matchers["y"] != `=~"a|b"` ||
		got[1].name != "job:sluice_b:ratio_rate1h" || got[2].name != "sluice_c" || got[2].call != "max" {
		t.Errorf("%+v", got)
	}
	if labels := grouped(`sum by (le, job) (a) and on (x) b`); !slices.Equal(labels, []string{"le", "job", "x"}) {
		t.Error(labels)
	}
}
