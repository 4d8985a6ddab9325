package flagdtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/rollout"
)

var flags = []string{rollout.TransportFlag, rollout.StreamFlag}

// wantSame compares the two readers of a file for many users.
func wantSame(t rapid.TB, path string, more ...string) {
	t.Helper()
	theirs, ours := flagdReads(t, path), sluiceReads(t, path)
	defer theirs.close()
	defer ours.Close()
	for _, user := range append(more, users()...) {
		for _, flag := range flags {
			// Who has no id is on the safe side with Sluice, and gets the default
			// variant from flagd.
			if got, want := sluiceSays(ours, flag, user), theirs.says(flag, user); got != want && user != "" {
				text, _ := os.ReadFile(path)
				t.Fatalf("%s of %q: Sluice %s, flagd %s\n%s", flag, user, got, want, text)
			}
		}
	}
}

// The files that our documents show run under flagd.
func TestExamples(t *testing.T) {
	seen := 0
	for _, document := range []string{"../../README.md", "../../docs/migration.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s) *```json\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(block[1], `"flags"`) {
				wantSame(t, write(t, filepath.Join(t.TempDir(), "flags.json"), block[1]))
				seen++
			}
		}
	}
	if seen == 0 {
		t.Error("no document shows a flag file")
	}
}

// Whatever file Sluice takes, flagd decides the same.
func TestAnyFile(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := write(t, filepath.Join(folder, "flags.json"), anyFile(t))
		f, err := rollout.Open(path, rollout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		wantSame(t, path, rapid.SliceOf(rapid.String()).Draw(t, "users")...)
	})
}

// What `sluice rollout export` writes puts the rollout's weight and stream in force
// under flagd.
func TestExported(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := write(t, filepath.Join(folder, "flags.json"), anyFile(t))
		h := rollout.Heading{
			Weight: rapid.IntRange(0, 100).Draw(t, "weight"),
			Stream: rapid.SampledFrom([]rollout.Stream{rollout.Upstream, rollout.Bridge, rollout.Retired}).Draw(t, "stream"),
		}
		text, err := rollout.Export(path, h)
		if err != nil {
			t.Fatal(err)
		}
		exported := write(t, filepath.Join(folder, "exported.json"), string(text))
		theirs, ours := flagdReads(t, exported), sluiceReads(t, path)
		defer theirs.close()
		defer ours.Close()
		ours.Steer(&h)
		for _, user := range users()[1:] {
			for _, flag := range flags {
				if got, want := sluiceSays(ours, flag, user), theirs.says(flag, user); got != want {
					t.Fatalf("%s of %q: Sluice %s, flagd %s\n%s", flag, user, got, want, text)
				}
			}
		}
	})
}

// Under flagd, as under Sluice, a weight that rises moves nobody back.
func TestNobodyGoesBack(t *testing.T) {
	folder := t.TempDir()
	on := map[string]int{} // the weight at which a user was first on poll
	for weight := 0; weight <= 100; weight++ {
		path := write(t, filepath.Join(folder, fmt.Sprint(weight, ".json")), fmt.Sprintf(
			`{"flags": {%q: {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "sse", "targeting": {"fractional": [["poll", %d], ["sse", %d]]}}}}`,
			rollout.TransportFlag, weight, 100-weight))
		p := flagdReads(t, path)
		for _, user := range users() {
			first, was := on[user]
			switch is := p.says(rollout.TransportFlag, user) == string(rollout.Poll); {
			case was && !is:
				t.Errorf("%q was on poll at %d and is not at %d", user, first, weight)
			case is && !was:
				on[user] = weight
			}
		}
		p.close()
	}
	if len(on) != len(users())-1 || on[""] != 0 {
		t.Errorf("%d of %d users are on poll in the end; all should be but who has no id", len(on), len(users()))
	}
}

// Who has no id is on the safe side with Sluice whatever the file says. flagd gives
// them the default variant, or what an else names: a file that is to move there has
// the safe one as its default.
func TestWithoutID(t *testing.T) {
	for _, c := range []struct{ preset, targeting, flagd string }{
		{"sse", `{"fractional": [["poll", 100], ["sse", 0]]}`, "sse"},
		{"sse", `{"if": [{"in": [{"var": "targetingKey"}, ["alice", ""]]}, "poll", {"fractional": [["poll", 100], ["sse", 0]]}]}`, "sse"},
		{"poll", `{"fractional": [["poll", 0], ["sse", 100]]}`, "poll"},
		{"poll", `{}`, "poll"},
		{"sse", `{"if": [{"in": [{"var": "targetingKey"}, ["alice"]]}, "sse", "poll"]}`, "poll"},
	} {
		path := write(t, filepath.Join(t.TempDir(), "flags.json"), fmt.Sprintf(
			`{"flags": {%q: {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": %q, "targeting": %s}}}`,
			rollout.TransportFlag, c.preset, c.targeting))
		theirs, ours := flagdReads(t, path), sluiceReads(t, path)
		if got := theirs.says(rollout.TransportFlag, ""); got != c.flagd {
			t.Errorf("%s, %s: flagd says %s", c.preset, c.targeting, got)
		}
		if got := sluiceSays(ours, rollout.TransportFlag, ""); got != "sse" {
			t.Errorf("%s, %s: Sluice says %s", c.preset, c.targeting, got)
		}
		theirs.close()
		ours.Close()
	}
}
