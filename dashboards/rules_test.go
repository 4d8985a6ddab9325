package dashboards

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// rule is one of a rules file: recorded, or an alert.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

// rules reads all rules files.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	files, err := filepath.Glob("rules/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		var content struct {
			Groups []struct {
				Name  string
				Rules []rule
			}
		}
		read(t, file, &content)
		for _, g := range content.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Prometheus's own tests of rules: what fires, what does not, and what it says.
func TestRules(t *testing.T) {
	if out, err := promtool("check", "rules", "rules/alerts.yaml", "rules/recording.yaml"); err != nil {
		t.Error(out)
	}
	files, err := filepath.Glob("rules/tests/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if out, err := promtool("test", "rules", file); err != nil {
				t.Error(out)
			}
		})
	}
}

// Each alert, and each window of a burn rate, has a case in which it fires and one in
// which it does not.
func TestAlertsAreTested(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	files, _ := filepath.Glob("rules/tests/*.yaml")
	for _, file := range files {
		var content struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []struct {
						ExpLabels map[string]string `yaml:"exp_labels"`
					} `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		read(t, file, &content)
		for _, c := range content.Tests {
			for _, a := range c.AlertRuleTest {
				for _, e := range a.ExpAlerts {
					fires[a.Alertname+" "+e.ExpLabels["window"]] = true
				}
				silent[a.Alertname] = silent[a.Alertname] || len(a.ExpAlerts) == 0
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!fires[r.Alert+" "+r.Labels["window"]] || !silent[r.Alert]) {
			t.Errorf("%s %s: fires %v, is silent %v", r.Alert, r.Labels["window"], fires[r.Alert+" "+r.Labels["window"]], silent[r.Alert])
		}
	}
}

// Whoever is woken is told what it means and where it says what to do.
func TestAlertsLeadSomewhere(t *testing.T) {
	sections := headings(t, "../docs/operations.md")
	alerts := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts[strings.ToLower(r.Alert)] = true
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || len(r.Annotations) != 3 {
			t.Errorf("%s: %v", r.Alert, r.Annotations)
		}
		anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], "docs/operations.md#")
		if !ok || anchor != strings.ToLower(r.Alert) || !slices.Contains(sections, anchor) {
			t.Errorf("%s leads to %q, which is not there", r.Alert, r.Annotations["runbook_url"])
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
	}
	for _, s := range sections {
		if strings.HasPrefix(s, "sluice") && !alerts[s] {
			t.Errorf("docs/operations.md has a section %s; there is no such alert", s)
		}
	}
}

// headings are the anchors of a document, as they are made of its headings.
func headings(t *testing.T, file string) (anchors []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		words := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), "")
		anchors = append(anchors, strings.ReplaceAll(words, " ", "-"))
	}
	return anchors
}

// Rules name what there is: metrics of the program, and what other rules record.
func TestRulesNameWhatThereIs(t *testing.T) {
	metrics, recorded := known(t), map[string]bool{}
	for _, r := range rules(t) {
		recorded[r.Record] = true
	}
	for _, r := range rules(t) {
		wantKnown(t, metrics, r.Expr)
		for _, s := range selectors(r.Expr) {
			if strings.Contains(s.name, ":") && !recorded[s.name] {
				t.Errorf("%s is recorded by no rule: %s", s.name, r.Expr)
			}
			if s.matchers["job"] != "" || s.matchers["instance"] != "" {
				t.Errorf("a rule does not know how jobs are called: %s", r.Expr)
			}
		}
	}
}

// The service levels are the targets of the dashboards, and so of the rollout's
// checks; the windows are those of the SRE workbook.
func TestServiceLevels(t *testing.T) {
	var text strings.Builder
	for _, r := range rules(t) {
		fmt.Fprintln(&text, r.Record, r.Alert, r.Labels["severity"], strings.Join(strings.Fields(r.Expr), " "))
	}
	for _, level := range []struct{ ratio, alert, budget string }{
		{"job:sluice_polls_failed:ratio_rate", "SluicePollErrorBudgetBurn", fmt.Sprintf("%.3f", 1-SuccessTarget)},
		{"job:sluice_items_late:ratio_rate", "SluiceStalenessBudgetBurn", "0.05"},
	} {
		for _, w := range []string{"1h 5m 14.4 page", "6h 30m 6 page", "1d 2h 3 ticket", "3d 6h 1 ticket"} {
			f := strings.Fields(w)
			limit := " > " + f[2] + " * " + level.budget
			want := fmt.Sprintf("%s %s %s%s%s and %s%s%s and on (job)", level.alert, f[3], level.ratio, f[0], limit, level.ratio, f[1], limit)
			if !strings.Contains(text.String(), want) {
				t.Errorf("no rule %s", want)
			}
			for _, window := range f[:2] {
				record := level.ratio + window
				line := regexp.MustCompile(`(?m)^` + record + ` .*$`).FindString(text.String())
				if strings.Count(line, "["+window+"]") != 2 || strings.Count(line, "[") != 2 {
					t.Errorf("%s is recorded as %q", record, line)
				}
			}
		}
	}
	if strings.Count(text.String(), fmt.Sprintf(`transport="poll", le=~"%[1]d|%[1]d.0"`, StalenessTarget)) != 7 {
		t.Error("late is not what the dashboards call late")
	}
	if !strings.Contains(text.String(), fmt.Sprintf("* 3600 > %d ", AlarmTarget)) {
		t.Error("a storm is not what the dashboards call one")
	}
}
