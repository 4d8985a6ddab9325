package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestReference holds the keys, which are API, and what people read about them.
func TestReference(t *testing.T) {
	const golden = "testdata/reference.md"
	got := Reference()
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
		t.Errorf("the reference changed; if it should, run go test ./proxy/config -update\n%s", got)
	}
}

func TestReferenceIsATable(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(Reference(), "\n"), "\n")
	if len(lines) != len(options)+2 {
		t.Errorf("%d lines for %d keys", len(lines), len(options))
	}
	for _, line := range lines {
		if strings.Count(line, "|") != 5 {
			t.Errorf("not four cells: %s", line)
		}
	}
}
