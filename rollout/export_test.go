package rollout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// genFlag is the text of a flag as people write one.
func genFlag(t *rapid.T, values ...string) string {
	names := map[string]string{}
	var variants []string
	for _, v := range values {
		if v != values[0] && rapid.IntRange(0, 3).Draw(t, "left out") == 0 {
			continue
		}
		names[v] = rapid.SampledFrom([]string{v, "the-" + v}).Draw(t, "name")
		variants = append(variants, fmt.Sprintf("%q: %q", names[v], v))
	}
	pick := func() string {
		v := rapid.SampledFrom(values).Draw(t, "value")
		if names[v] == "" {
			v = values[0]
		}
		return fmt.Sprintf("%q", names[v])
	}
	split := func() string {
		return fmt.Sprintf(`{"fractional": [[%s, %d], [%s, %d]]}`, pick(), rapid.IntRange(1, 50).Draw(t, "weight"), pick(), rapid.IntRange(0, 50).Draw(t, "weight"))
	}
	targeting := rapid.SampledFrom([]string{
		"", `, "targeting": null`, `, "targeting": {}`, `, "targeting": ` + split(),
		`, "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["alice", "bob"]]}, ` + pick() + `, {"==": [{"var": "targetingKey"}, "eve"]}, ` + split() + `]}`,
		`, "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["alice"]]}, ` + pick() + `, ` + split() + `]}`,
	}).Draw(t, "targeting")
	return fmt.Sprintf(`{"state": %q, "variants": {%s}, "defaultVariant": %s%s}`,
		rapid.SampledFrom([]string{"ENABLED", "ENABLED", "DISABLED"}).Draw(t, "state"), strings.Join(variants, ", "), pick(), targeting)
}

// A file that is exported decides for everybody as the steered one does.
func TestExportIsWhatIsInForce(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var flags []string
		if rapid.Bool().Draw(t, "transport") {
			flags = append(flags, fmt.Sprintf("%q: %s", TransportFlag, genFlag(t, "sse", "poll")))
		}
		if rapid.Bool().Draw(t, "stream") {
			flags = append(flags, fmt.Sprintf("%q: %s", StreamFlag, genFlag(t, "upstream", "bridge", "retired")))
		}
		path, to := filepath.Join(folder, "flags.json"), filepath.Join(folder, "exported.json")
		if err := os.WriteFile(path, []byte(`{"metadata": {"owner": "ops", "n": 1.50}, "flags": {`+strings.Join(flags, ", ")+`}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		h := Heading{rapid.IntRange(0, 100).Draw(t, "weight"), rapid.SampledFrom([]Stream{Upstream, Bridge, Retired}).Draw(t, "heading")}
		text, err := Export(path, h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"n": 1.50`) {
			t.Fatalf("something was lost: %s", text)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
		steered, exported := opened(t, path), opened(t, to)
		steered.Steer(&h)
		for _, user := range append([]string{alice, "bob", "eve", ""}, rapid.SliceOfN(rapid.String(), 20, 20).Draw(t, "users")...) {
			ctx := context.Background()
			if a, b := steered.Transport(ctx, user), exported.Transport(ctx, user); a != b {
				t.Fatalf("%q: %s, exported %s\n%s", user, a, b, text)
			}
			if a, b := steered.Stream(ctx, user), exported.Stream(ctx, user); a != b {
				t.Fatalf("%q: %s, exported %s\n%s", user, a, b, text)
			}
		}
		if again, err := Export(to, h); err != nil || string(again) != string(text) {
			t.Fatalf("exported again (%v): %s", err, again)
		}
	})
}

func opened(t *rapid.T, path string) *Flags {
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestExportText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	const file = `{"flags":{"notifications-transport":{"state":"ENABLED","variants":{"sse":"sse","poll":"poll"},"defaultVariant":"sse",
 "targeting":{"if":[{"in":[{"var":"targetingKey"},["alice"]]},"poll",{"fractional":[["poll",0],["sse",100]]}]}}}}`
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := Export(path, Heading{25, Bridge})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "flags": {
    "notifications-transport": {
      "state": "ENABLED",
      "variants": {"sse": "sse", "poll": "poll"},
      "defaultVariant": "sse",
      "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["alice"]]}, "poll", {"fractional": [["poll", 25], ["sse", 75]]}]}
    },
    "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge"}, "defaultVariant": "bridge"}
  }
}
`
	if string(text) != want {
		t.Errorf("got %s", text)
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), "export_test.go"} {
		if _, err := Export(bad, Heading{}); err == nil {
			t.Errorf("%s was exported", bad)
		}
	}
}

// A rollout begins where the file has its users, and takes nobody back.
func TestUnsteered(t *testing.T) {
	for _, c := range []struct {
		file string
		want Heading
	}{
		{`{"flags": {}}`, Heading{0, Upstream}},
		{transportFile(`{"fractional": [["poll", 1], ["sse", 999]]}`), Heading{1, Upstream}},
		{transportFile(`{"fractional": [["poll", 30], ["sse", 70]]}`), Heading{30, Upstream}},
		{strings.ReplaceAll(transportFile(`{"fractional": [["poll", 30], ["sse", 70]]}`), "ENABLED", "DISABLED"), Heading{0, Upstream}},
		{`{"flags": {"legacy-stream": {"state": "ENABLED", "variants": {"b": "bridge", "u": "upstream"}, "defaultVariant": "b"}}}`, Heading{0, Bridge}},
		{`{"flags": {"legacy-stream": {"state": "ENABLED", "variants": {"b": "bridge", "u": "upstream"}, "defaultVariant": "b", "targeting": {"fractional": [["b"], ["u"]]}}}}`, Heading{0, Upstream}},
	} {
		if got := openText(t, c.file).Unsteered(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.file, got, c.want)
		}
	}
}
