package dashboards

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"sluice/rollout/spec"
)

// made are the dashboards as Grafana reads them.
type made struct {
	Title, UID, Refresh string
	Description         string
	Editable            bool
	Templating          struct{ List []variable }
	Annotations         struct{ List []annotation }
	Panels              []panel
}

type variable struct {
	Name, Label, Type, AllValue string
	Query                       any
	Datasource                  struct{ UID string }
	Multi                       bool
	Refresh                     int
}

type annotation struct {
	Name, Expr string
	Datasource struct{ UID string }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Expr, LegendFormat, RefID string
		Instant                   bool
		Datasource                struct{ UID string }
	}
}

func all(t *testing.T) map[string]made {
	t.Helper()
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	boards := map[string]made{}
	for name, text := range files {
		var m made
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		boards[name] = m
	}
	return boards
}

// What is committed is what operators load.
func TestFilesAreCurrent(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := filepath.Glob("grafana/*.json")
	if err != nil || len(committed) != len(files) || len(files) != 4 {
		t.Errorf("%d files for %d dashboards: %v", len(committed), len(files), err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("grafana", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is out of date; run go run ./dashboards/build (%v)", name, err)
		}
	}
}

// Grafana's own schema takes them, without a field left over.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	strictly := func(text []byte) int {
		var d dashboard.Dashboard //nolint:staticcheck // see newBoard
		err := d.UnmarshalJSONStrict(text)
		if faults, ok := err.(cog.BuildErrors); ok { // it is there, and empty, when all is well
			for _, f := range faults {
				t.Log(f)
			}
			return len(faults)
		}
		if err != nil {
			t.Log(err)
			return 1
		}
		return 0
	}
	for name, text := range files {
		if strictly(text) != 0 {
			t.Errorf("%s is not what Grafana expects", name)
		}
	}
	if strictly([]byte(`{"schemaVersion":42,"no such field":1}`)) == 0 {
		t.Error("anything passes")
	}
}

// A line on a dashboard is the limit of the rollout's check.
func TestTargetsAreThoseOfTheChecks(t *testing.T) {
	for name, c := range map[string]struct {
		target float64
		end    func(spec.Range) *float64
	}{
		spec.PollSuccessRatio:    {SuccessTarget, func(r spec.Range) *float64 { return r.Min }},
		spec.StalenessP95:        {StalenessTarget, func(r spec.Range) *float64 { return r.Max }},
		spec.ShadowExtra:         {ExtraTarget, func(r spec.Range) *float64 { return r.Max }},
		spec.LegacyReconnectRate: {AlarmTarget, func(r spec.Range) *float64 { return r.Max }},
	} {
		check, _ := spec.CheckNamed(name)
		if end := c.end(check.Range); end == nil || *end != c.target {
			t.Errorf("%s: %v, not %v", name, c.target, check.Range)
		}
	}
}

// A metric, label or value that is renamed in the program fails here, and not on a
// blank panel.
func TestQueriesNameWhatThereIs(t *testing.T) {
	metrics := known(t)
	for name, board := range all(t) {
		queries := 0
		for _, p := range board.Panels {
			for _, q := range p.Targets {
				queries++
				wantKnown(t, metrics, q.Expr)
			}
		}
		for _, a := range board.Annotations.List {
			wantKnown(t, metrics, a.Expr)
		}
		for _, v := range board.Templating.List {
			if text, ok := v.Query.(string); ok && strings.HasPrefix(text, "label_values(") {
				wantKnown(t, metrics, text)
			}
		}
		if queries < 10 {
			t.Errorf("%s asks %d queries", name, queries)
		}
	}
}
