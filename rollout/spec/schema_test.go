package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is the shipped one, compiled; validators check it against its
// metaschema too.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rollout.schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("rollout.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// validate is what the schema says of a file.
func validate(t testing.TB, s *jsonschema.Schema, content string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(content), &value); err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// The schema refuses what the parser refuses, but for what a schema cannot say.
func TestSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	s := schema(t)
	for _, c := range refusals {
		if c.schema && validate(t, s, head+c.body) == nil {
			t.Errorf("%s: the schema accepts it", c.name)
		}
	}
}

func TestSchemaAcceptsWhatTheParserAccepts(t *testing.T) {
	s := schema(t)
	example, err := os.ReadFile("../../docs/rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{string(example)}
	for _, c := range Checks {
		files = append(files, head+metric("name: "+c.Name+", thresholdRange: {min: 0, max: 1000}"))
	}
	for _, content := range files {
		if _, err := Parse("r.yaml", content); err != nil {
			t.Error(err)
		}
		if err := validate(t, s, content); err != nil {
			t.Errorf("%v of %s", err, content)
		}
	}
}

// The words, limits and defaults in the schema are the parser's.
func TestSchemaRepeatsTheParser(t *testing.T) {
	var document struct {
		Defs struct {
			Duration   struct{ Pattern string }
			Prometheus struct {
				Properties struct{ Address struct{ Pattern string } }
			}
			Metric struct {
				Properties map[string]struct {
					Pattern string
					Default any
				}
				Else struct {
					Properties struct{ Name struct{ Enum []string } }
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(Schema), &document); err != nil {
		t.Fatal(err)
	}
	defs := document.Defs
	if got := strings.Join(defs.Metric.Else.Properties.Name.Enum, ", "); got != checkNames() {
		t.Errorf("checks: %s", got)
	}
	for got, want := range map[string]string{
		defs.Duration.Pattern: durationForm.String(), defs.Prometheus.Properties.Address.Pattern: addressForm.String(),
		defs.Metric.Properties["name"].Pattern: nameForm.String(), defs.Metric.Properties["query"].Pattern: notBlank.String(),
	} {
		if got != want {
			t.Errorf("pattern %s, want %s", got, want)
		}
	}
	for key, want := range map[string]any{
		"source": string(defaultSource), "interval": Short(defaultInterval), "count": float64(defaultCount),
		"failureLimit": float64(defaultFailureLimit), "onNoData": string(defaultOnNoData), "dryRun": false,
	} {
		if got := defs.Metric.Properties[key].Default; got != want {
			t.Errorf("default of %s: %v, want %v", key, got, want)
		}
	}
}

func TestChecks(t *testing.T) {
	var names []string
	for _, c := range Checks {
		if c.What == "" || c.Sample == "" || c.Needs == "" || c.Unit == "" || c.MinSamples < 1 || slices.Contains(names, c.Name) || !nameForm.MatchString(c.Name) {
			t.Errorf("%+v", c)
		}
		names = append(names, c.Name)
	}
}
