package rollout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBaseline(t *testing.T) {
	const transport = `{"flags": {"notifications-transport": {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "sse"`
	const stream = `, "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge"}, "defaultVariant": "bridge"`
	for name, c := range map[string]struct {
		file string
		want Baseline
	}{
		"empty":           {`{"flags": {}}`, Baseline{0, Upstream, false}},
		"no targeting":    {transport + `}}}`, Baseline{0, Upstream, false}},
		"all poll":        {strings.Replace(transport, `"defaultVariant": "sse"`, `"defaultVariant": "poll"`, 1) + `}` + stream + `}}}`, Baseline{100, Bridge, false}},
		"a split":         {transport + `, "targeting": {"fractional": [["poll", 1], ["sse", 5], ["poll", 2]]}}}}`, Baseline{37.5, Upstream, false}},
		"lists and split": {transport + `, "targeting": {"if": [{"==": [{"var": "targetingKey"}, "alice"]}, "poll", {"fractional": [["poll", 1], ["sse", 3]]}]}}}}`, Baseline{25, Upstream, false}},
		"disabled":        {strings.ReplaceAll(transport+`, "targeting": {"fractional": [["poll", 1]]}}`+stream+`}}}`, "ENABLED", "DISABLED"), Baseline{0, Upstream, true}},
		"a mixed stream":  {transport + `}` + stream + `, "targeting": {"fractional": [["bridge", 1], ["upstream", 1]]}}}}`, Baseline{0, "", false}},
		"one stream":      {transport + `}` + stream + `, "targeting": {"fractional": [["bridge", 0], ["upstream", 1]]}}}}`, Baseline{0, Upstream, false}},
	} {
		path := filepath.Join(t.TempDir(), "flags.json")
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadBaseline(path); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestBaselineWithoutAFile(t *testing.T) {
	if got, err := ReadBaseline(""); err != nil || got != (Baseline{100, Bridge, false}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadBaseline("/none/flags.json"); err == nil {
		t.Error("no error")
	}
}
