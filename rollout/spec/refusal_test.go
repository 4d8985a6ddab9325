package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refusals are files that the parser refuses, the errors it gives without their
// "r.yaml:", and whether the schema refuses them too. Bodies begin in line 3.
var refusals = []struct {
	name, body, want string
	schema           bool
}{
	// Structure.
	{"no spec", "metadata: {}\n", "1:1: spec is missing", true},
	{"no steps", "spec: {}\n", "3:7: spec: steps is missing", true},
	{"steps empty", "spec: {steps: []}\n", "3:15: spec.steps: must be a list of at least one step", true},
	{"steps null", "spec:\n  steps:\n", "4:3: spec.steps: must be a list of at least one step", true},
	{"spec null", "spec:\n", "3:1: spec: must have keys: prometheus, steps, analysis, progressDeadline, rollback", true},
	{"a step that is text", "spec: {steps: [setWeight]}\n", "3:16: spec.steps[0]: must have keys: setWeight, setStream, pause, analysis", true},
	{"a step null", "spec:\n  steps:\n    -\n", "4:3: spec.steps[0]: must have keys: setWeight, setStream, pause, analysis", true},
	{"a step without a verb", "spec: {steps: [{}]}\n", "3:16: spec.steps[0]: needs one of setWeight, setStream, pause, analysis", true},
	{"two verbs", "spec:\n  steps:\n    - pause: {}\n      setWeight: 5\n", "5:7: spec.steps[0]: setWeight and pause are in one step; write each as a step of its own", true},
	{"unknown at the top", "status: {}\nspec: {steps: [{pause: {}}]}\n", "3:1: status: unknown key; allowed: apiVersion, kind, metadata, spec", true},
	{"unknown in spec", "spec: {step: [], steps: [{pause: {}}]}\n", "3:8: spec.step: unknown key; allowed: prometheus, steps, analysis, progressDeadline, rollback", true},
	{"unknown verb", "spec: {steps: [{weight: 5}]}\n", "3:17: spec.steps[0].weight: unknown key; allowed: setWeight, setStream, pause, analysis", true},
	{"labels", "metadata: {labels: {}}\nspec: {steps: [{pause: {}}]}\n", "3:12: metadata.labels: unknown key; allowed: name", true},
	{"name a number", "metadata: {name: 42}\nspec: {steps: [{pause: {}}]}\n", `3:18: metadata.name: must be text; write it in quotes: "42"`, true},
	{"duplicate key", "spec: {steps: [{setWeight: 1, setWeight: 2}]}\n", "3:31: spec.steps[0].setWeight: duplicate key", false},
	{"duplicate section", "spec: {steps: [{pause: {}}]}\nspec: {}\n", "4:1: spec: duplicate key", false},
	{"number as key", "spec: {1: 2, steps: [{pause: {}}]}\n", "3:8: spec: a key must be a plain name, without anchor, alias, tag or merge", true},
	{"merge key", "spec: {steps: [{<<: {setWeight: 1}}]}\n", "3:17: spec.steps[0]: a key must be a plain name, without anchor, alias, tag or merge", false},
	{"anchor", "spec: {steps: [{pause: &p {}}]}\n", "3:24: spec.steps[0].pause: must have keys: duration; anchors and aliases are not supported, write the value out", false},
	{"alias", "spec: {steps: [{setWeight: *w}]}\n", "3:28: spec.steps[0].setWeight: must be a number; anchors and aliases are not supported, write the value out", false},
	{"tag", "spec: {steps: [{setWeight: !!int 5}]}\n", "3:28: spec.steps[0].setWeight: must be a number; tags are not supported, write the value alone", false},
	{"second document", "spec: {steps: [{pause: {}}]}\n---\nkind: Rollout\n", "5:1: a second document; keep one", false},
	{"syntax", "spec: {steps: [\n", "3:15: not valid YAML: sequence end token ']' not found", false},
	{"all at once", "spec:\n  steps:\n    - setWeight: 110\n    - setStream: down\n  progress: 1h\n",
		"5:18: spec.steps[0].setWeight: 110 is not a whole number from 0 to 100\n6:18: spec.steps[1].setStream: must be upstream or bridge or retired\n7:3: spec.progress: unknown key; allowed: prometheus, steps, analysis, progressDeadline, rollback", true},

	// Values.
	{"weight above", "spec: {steps: [{setWeight: 101}]}\n", "3:28: spec.steps[0].setWeight: 101 is not a whole number from 0 to 100", true},
	{"weight below", "spec: {steps: [{setWeight: -1}]}\n", "3:28: spec.steps[0].setWeight: -1 is not a whole number from 0 to 100", true},
	{"half a percent", "spec: {steps: [{setWeight: 0.5}]}\n", "3:28: spec.steps[0].setWeight: 0.5 is not a whole number from 0 to 100", true},
	{"weight in quotes", "spec: {steps: [{setWeight: '5'}]}\n", "3:28: spec.steps[0].setWeight: must be a number", true},
	{"weight with a sign", "spec: {steps: [{setWeight: 5%}]}\n", "3:28: spec.steps[0].setWeight: must be a number", true},
	{"weight null", "spec: {steps: [{setWeight: }]}\n", "3:17: spec.steps[0].setWeight: must be a number", true},
	{"no such stream", "spec: {steps: [{setStream: off}]}\n", "3:28: spec.steps[0].setStream: must be upstream or bridge or retired", true},
	{"pause null", "spec: {steps: [{pause: }]}\n", "3:17: spec.steps[0].pause: must have keys: duration", true},
	{"pause a duration", "spec: {steps: [{pause: 10m}]}\n", "3:24: spec.steps[0].pause: must have keys: duration", true},
	{"pause a number", "spec: {steps: [{pause: {duration: 60}}]}\n", "3:35: spec.steps[0].pause.duration: must be a duration such as 30s or 1h30m", true},
	{"pause negative", "spec: {steps: [{pause: {duration: -1m}}]}\n", `3:35: spec.steps[0].pause.duration: "-1m" is not a duration such as 30s or 1h30m`, true},
	{"pause in days", "spec: {steps: [{pause: {duration: 2d}}]}\n", `3:35: spec.steps[0].pause.duration: "2d" is not a duration such as 30s or 1h30m`, true},
	{"pause of nothing", "spec: {steps: [{pause: {duration: 0s}}]}\n", `3:35: spec.steps[0].pause.duration: "0s" is outside 1s to 720h`, false},
	{"pause for ever", "spec: {steps: [{pause: {duration: 99999999999999999h}}]}\n", `3:35: spec.steps[0].pause.duration: "99999999999999999h" is outside 1s to 720h`, false},
	{"rollback to all", "spec: {steps: [{pause: {}}], rollback: {toWeight: 100}}\n", "3:51: spec.rollback.toWeight: 100 is not a whole number from 0 to 99", true},
	{"cooldown", "spec: {steps: [{pause: {}}], rollback: {cooldown: soon}}\n", `3:51: spec.rollback.cooldown: "soon" is not a duration such as 30s or 1h30m`, true},
	{"address", "spec: {steps: [{pause: {}}], prometheus: {address: 'prometheus:9090'}}\n", "3:52: spec.prometheus.address: is not " + addressWords, true},
	{"address with a password", "spec: {steps: [{pause: {}}], prometheus: {address: 'http://u:p@prometheus'}}\n", "3:52: spec.prometheus.address: is not " + addressWords, true},
	{"no address", "spec: {steps: [{pause: {}}], prometheus: {}}\n", "3:42: spec.prometheus: address is missing", true},
	{"port", "spec: {steps: [{pause: {}}], prometheus: {address: 'http://p:port'}}\n", "3:52: spec.prometheus.address: is not " + addressWords, false},

	// Metrics.
	{"no metrics", "spec: {steps: [{analysis: {}}]}\n", "3:27: spec.steps[0].analysis: metrics is missing", true},
	{"metrics empty", "spec: {steps: [{analysis: {metrics: []}}]}\n", "3:37: spec.steps[0].analysis.metrics: must be a list of at least one metric", true},
	{"no name", metric("interval: 5s"), "3:38: spec.steps[0].analysis.metrics[0]: name is missing", true},
	{"no such check", metric("name: latency"), `3:45: spec.steps[0].analysis.metrics[0].name: "latency" is not a check of source internal: ` + checkNames(), true},
	{"a name with a space", metric("name: my check, source: prometheus, query: up, thresholdRange: {min: 1}"), `3:45: spec.steps[0].analysis.metrics[0].name: "my check" is not a name of at most 64 letters, digits, - and _`, true},
	{"no such source", metric("name: staleness-p95, source: datadog"), "3:68: spec.steps[0].analysis.metrics[0].source: must be internal or prometheus", true},
	{"twice", "spec: {steps: [{analysis: {metrics: [{name: staleness-p95}, {name: staleness-p95}]}}]}\n", "3:68: spec.steps[0].analysis.metrics[1].name: staleness-p95 is measured here already", false},
	{"interval below a second", metric("name: staleness-p95, interval: 500ms"), `3:70: spec.steps[0].analysis.metrics[0].interval: "500ms" is outside 1s to 24h`, false},
	{"count of none", metric("name: staleness-p95, count: 0"), "3:67: spec.steps[0].analysis.metrics[0].count: 0 is not a whole number from 1 to 1000", true},
	{"failureLimit", metric("name: staleness-p95, failureLimit: -1"), "3:74: spec.steps[0].analysis.metrics[0].failureLimit: -1 is not a whole number from 0 to 1000", true},
	{"minSamples", metric("name: staleness-p95, minSamples: 0"), "3:72: spec.steps[0].analysis.metrics[0].minSamples: 0 is not a whole number from 1 to 1000000000", true},
	{"onNoData", metric("name: staleness-p95, onNoData: ignore"), "3:70: spec.steps[0].analysis.metrics[0].onNoData: must be inconclusive or pass or fail", true},
	{"dryRun", metric("name: staleness-p95, dryRun: 'true'"), "3:68: spec.steps[0].analysis.metrics[0].dryRun: must be true or false", true},
	{"dryRun yes", metric("name: staleness-p95, dryRun: yes"), "3:68: spec.steps[0].analysis.metrics[0].dryRun: must be true or false", true},
	{"range of nothing", metric("name: staleness-p95, thresholdRange: {}"), "3:76: spec.steps[0].analysis.metrics[0].thresholdRange: needs min, max or both", true},
	{"range upside down", metric("name: staleness-p95, thresholdRange: {min: 2, max: 1}"), "3:76: spec.steps[0].analysis.metrics[0].thresholdRange: min is above max; no value could pass", false},
	{"range of text", metric("name: staleness-p95, thresholdRange: {max: low}"), "3:82: spec.steps[0].analysis.metrics[0].thresholdRange.max: must be a number", true},
	{"range without end", metric("name: staleness-p95, thresholdRange: {max: .inf}"), "3:82: spec.steps[0].analysis.metrics[0].thresholdRange.max: must be a number", false},
	{"range missing", metric("name: backend-rate"), "3:38: spec.steps[0].analysis.metrics[0]: backend-rate needs a thresholdRange; it has no default", true},
	{"query of a check", metric("name: staleness-p95, query: up"), "3:67: spec.steps[0].analysis.metrics[0].query: is for source prometheus, and this is internal", true},
	{"address of a check", metric("name: staleness-p95, prometheus: {address: 'http://p'}"), "3:72: spec.steps[0].analysis.metrics[0].prometheus: is for source prometheus, and this is internal", true},
	{"no query, no range", metric("name: a, source: prometheus"), "3:38: spec.steps[0].analysis.metrics[0]: query is missing\n3:38: spec.steps[0].analysis.metrics[0]: thresholdRange is missing", true},
	{"blank query", metric("name: a, source: prometheus, query: ' ', thresholdRange: {min: 1}"), `3:75: spec.steps[0].analysis.metrics[0].query: " " is not a query`, true},
	{"samples of a query", metric("name: a, source: prometheus, query: up, thresholdRange: {min: 1}, minSamples: 5"),
		"3:117: spec.steps[0].analysis.metrics[0].minSamples: is for source internal; let the query give no result where there are too few", true},
	{"count beside the steps", "spec: {steps: [{pause: {}}], analysis: {metrics: [{name: staleness-p95, count: 3}]}}\n",
		"3:80: spec.analysis.metrics[0].count: an analysis beside the steps goes on as long as they do; take it out", true},
	{"startingStep of a step", "spec: {steps: [{analysis: {startingStep: 0, metrics: [{name: staleness-p95}]}}]}\n", "3:28: spec.steps[0].analysis.startingStep: unknown key; allowed: metrics", true},
	{"startingStep behind the end", "spec: {steps: [{pause: {}}], analysis: {startingStep: 1, metrics: [{name: staleness-p95}]}}\n",
		"3:55: spec.analysis.startingStep: 1 is not a whole number from 0 to 0", false},

	// What fits together.
	{"weight down", "spec: {steps: [{setWeight: 10}, {setWeight: 5}]}\n", "3:45: spec.steps[1].setWeight: 5 would take users back from 10; weights only rise, and abort is the way back", false},
	{"stream back", "spec: {steps: [{setStream: bridge}, {setStream: upstream}]}\n", "3:49: spec.steps[1].setStream: upstream would go back from bridge; the order is upstream, bridge, retired", false},
	{"retired too early", "spec: {steps: [{setStream: bridge}, {setWeight: 99}, {setStream: retired}, {setWeight: 100}]}\n", "3:66: spec.steps[2].setStream: retired needs setWeight: 100 in a step before it", false},
	{"retired without a bridge", "spec: {steps: [{setWeight: 100}, {setStream: retired}]}\n",
		"3:46: spec.steps[1].setStream: retired needs setStream: bridge in a step before it: the bridge is what asks old pages to reload", false},
	{"deadline and pause", "spec: {steps: [{setWeight: 1}, {pause: {duration: 1h}}], progressDeadline: 60m}\n",
		"3:76: spec.progressDeadline: 1h is not above the 1h that spec.steps[1] takes; every step must end within it", false},
	{"deadline and analysis", "spec: {steps: [{analysis: {metrics: [{name: staleness-p95, interval: 1m}]}}], progressDeadline: 4m59s}\n",
		"3:97: spec.progressDeadline: 4m59s is not above the 5m that spec.steps[0] takes; every step must end within it", false},
}

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			want := "r.yaml:" + strings.ReplaceAll(c.want, "\n", "\nr.yaml:")
			if got := problem(c.body); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestRefusalsOfTheWholeFile(t *testing.T) {
	for content, want := range map[string]string{
		"":                       "r.yaml: is empty; must start with apiVersion: sluice/v1alpha1",
		"# nothing\n":            "r.yaml: is empty; must start with apiVersion: sluice/v1alpha1",
		"- a\n":                  "r.yaml:1:1: must start with apiVersion: sluice/v1alpha1",
		"%YAML 1.2\n---\na: b\n": "r.yaml:1:1: directives are not supported; take this line out",
		"a: \xff\n":              "r.yaml: not UTF-8 text",
		"{}\n":                   "r.yaml:1:1: apiVersion is missing\nr.yaml:1:1: kind is missing\nr.yaml:1:1: spec is missing",
		"apiVersion: argoproj.io/v1alpha1\nkind: Canary\nspec: {steps: [{pause: {}}]}\n": "r.yaml:1:13: apiVersion: must be sluice/v1alpha1\nr.yaml:2:7: kind: must be Rollout",
		head + "spec: {steps: [" + strings.Repeat("{pause: {}}, ", 101) + "]}\n":         "r.yaml:3:15: spec.steps: has 101 steps; at most 100 are allowed",
	} {
		_, err := Parse("r.yaml", content)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got\n%v\nwant\n%s", content, err, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte("#"+strings.Repeat("x", maxFileSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/none/r.yaml": "/none/r.yaml: no such file or directory", large: large + ": larger than 64 KiB"} {
		if _, err := Load(path); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
