package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"sluice/backend/feed"
	"sluice/backend/tune"
	"sluice/compat/census"
	"sluice/proxy/config"
	"sluice/rollout/spec"
)

var update = flag.Bool("update", false, "write what is generated into the README and the golden files")

// The README's table of keys is the configuration's own.
func TestReadmeNamesEveryKey(t *testing.T) { wantInReadme(t, "reference", config.Reference()) }

// So is that of the checks.
func TestReadmeNamesEveryCheck(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Check | Passes | `minSamples` | What it measures |\n|---|---|---|---|\n")
	for _, c := range spec.Checks {
		passes := "needs a `thresholdRange`"
		if c.Range != (spec.Range{}) {
			passes = c.Range.In(c.Unit)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d %s | %s. Needs %s. |\n", c.Name, passes, c.MinSamples, c.Sample, c.What, c.Needs)
	}
	wantInReadme(t, "checks", b.String())
}

// wantInReadme expects a generated text between the README's comments of a name.
func wantInReadme(t *testing.T, name, text string) {
	t.Helper()
	const file = "../README.md"
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("the README has no place for %s", name)
	}
	want := before + begin + strings.TrimSpace(text) + "\n" + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Errorf("%s in the README is out of date; run go test ./proxy -run Readme -update", name)
	}
}

// Names are API: whoever changes one breaks somebody's dashboard.
func TestReadmeNamesEveryMetric(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics(config.Default())
	m.forSource("sqlite")
	m.followFeed(feed.New(feed.Options{}))
	m.forRedis()
	m.followCertificate(func() *tls.Certificate { return &tls.Certificate{Leaf: &x509.Certificate{}} })
	m.followOldPages(&streamTime{})
	m.forRollout(spec.Spec{Steps: []spec.Step{{Metrics: []spec.Metric{{Name: "a", Range: spec.Range{Max: new(float64)}}}}}})
	m.recommend(func() tune.Measured { return tune.Measured{} }, func() tune.Advice { return tune.Advice{} })
	m.countLegacy(census.New(census.Options{}))
	m.flagEvaluations.WithLabelValues("f", "v", "r")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "## Metrics\n")
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		named[row[1]] = true
	}
	for _, f := range families {
		if name, ok := strings.CutPrefix(f.GetName(), namespace+"_"); ok {
			if !named[name] {
				t.Errorf("the README does not name %s", name)
			}
			delete(named, name)
		}
	}
	for name := range named {
		t.Errorf("the README names %s, which is no metric", name)
	}
}
