package proxy

import (
	"flag"
	"os"
	"strings"
	"testing"

	"sluice/backend/feed"
	"sluice/compat/census"
	"sluice/proxy/config"
)

var update = flag.Bool("update", false, "write what is generated into the README and the golden files")

// The README's table of keys is the configuration's own.
func TestReadmeNamesEveryKey(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- reference -->\n", "<!-- /reference -->"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the reference")
	}
	want := before + begin + strings.TrimSpace(config.Reference()) + "\n" + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Error("the README's table of keys is out of date; run go test ./proxy -run Readme -update")
	}
}

// Names are API: whoever changes one breaks somebody's dashboard.
func TestReadmeNamesEveryMetric(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics()
	m.forSource("sqlite")
	m.followFeed(feed.New(feed.Options{}))
	m.countLegacy(census.New(census.Options{}))
	m.flagEvaluations.WithLabelValues("f", "v", "r")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, f := range families {
		name, ok := strings.CutPrefix(f.GetName(), namespace+"_")
		if !ok {
			continue
		}
		ours++
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if !strings.Contains(string(data), "| `"+name+"` | ") {
			t.Errorf("the README does not name %s with %v", name, labels)
		}
	}
	if rows := strings.Count(string(data), "_total` |") + strings.Count(string(data), "_seconds` |"); ours != 17 || rows < 9 {
		t.Errorf("%d metrics of our own", ours)
	}
}
