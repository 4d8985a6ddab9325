package dashboards

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rules of github.com/grafana/dashboard-linter, which cannot be installed here
// since it drags in all of Prometheus, and some of our own: ids, places on the grid,
// legends where there are several lines.

// units are those of Grafana's that panels here may have.
var units = []string{perSecond, events, items, seconds, ratio, count, times}

func lint(m made) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if m.Editable {
		fault("editable: what is changed in Grafana is lost at the next deploy")
	}
	if m.UID == "" || m.Title == "" || m.Description == "" {
		fault("a dashboard needs a uid, a title and a description")
	}
	lintVariables(m, fault)
	for _, a := range m.Annotations.List {
		lintQuery(a.Expr, false, fault)
		if a.Datasource.UID != "${datasource}" {
			fault("annotation %s: data source %q", a.Name, a.Datasource.UID)
		}
	}
	for i, p := range m.Panels {
		if p.ID != i+1 {
			fault("panel %q has the id %d; they count from 1", p.Title, p.ID)
		}
		if p.Type != "row" {
			lintPanel(p, func(format string, args ...any) { fault("panel %q: "+format, append([]any{p.Title}, args...)...) })
		}
	}
	return faults
}

func lintVariables(m made, fault func(string, ...any)) {
	named := map[string]variable{}
	for _, v := range m.Templating.List {
		named[v.Name] = v
		if v.Type == "query" && v.Refresh != 2 {
			fault("variable %s is not refreshed on time change", v.Name)
		}
	}
	if v := named["datasource"]; v.Type != "datasource" || v.Query != "prometheus" || v.Label != "Data source" {
		fault("no variable datasource: %+v", v)
	}
	for _, name := range []string{"job", "instance"} {
		v := named[name]
		if v.Type != "query" || v.Datasource.UID != "${datasource}" || !strings.EqualFold(v.Label, name) || !v.Multi || v.AllValue != ".+" {
			fault("no variable %s as it should be: %+v", name, v)
		}
	}
}

func lintPanel(p panel, fault func(string, ...any)) {
	if p.Title == "" || p.Description == "" {
		fault("needs a title and a description")
	}
	if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
		fault("unit %q", p.FieldConfig.Defaults.Unit)
	}
	if p.Datasource.UID != "${datasource}" {
		fault("data source %q", p.Datasource.UID)
	}
	if len(p.Targets) == 0 {
		fault("asks nothing")
	}
	if p.GridPos.X+p.GridPos.W > columns || p.GridPos.W == 0 || p.GridPos.H == 0 {
		fault("stands off the grid: %+v", p.GridPos)
	}
	for _, q := range p.Targets {
		if q.Datasource.UID != "${datasource}" {
			fault("query %s: data source %q", q.RefID, q.Datasource.UID)
		}
		if p.Type == "timeseries" && q.LegendFormat == "" {
			fault("query %s has no legend", q.RefID)
		}
		lintQuery(q.Expr, q.Instant, fault)
	}
}

// counters end like this; a histogram's parts are counters too.
var counters = []string{"_total", "_count", "_sum", "_bucket"}

// lintQuery holds that the operator's choice of gateways counts, that ranges follow
// the zoom, and that counters are only looked at by their growth. A number over all of
// the time shown is one query at its end.
func lintQuery(expr string, instant bool, fault func(string, ...any)) {
	chosen := selectors(expr)
	if len(chosen) == 0 {
		fault("chooses nothing: %s", expr)
	}
	for _, s := range chosen {
		for _, label := range []string{"job", "instance"} {
			if s.matchers[label] != fmt.Sprintf(`=~"$%s"`, label) {
				fault("%s is not matched by %s in %s", s.name, label, expr)
			}
		}
		growth := s.call == "rate" || s.call == "increase"
		if counter := slices.ContainsFunc(counters, func(end string) bool { return strings.HasSuffix(s.name, end) }); counter != growth {
			fault("%s under %q in %s", s.name, s.call, expr)
		}
		total := instant && s.call == "increase" && s.window == "$__range"
		if growth && !total && s.window != "$__rate_interval" {
			fault("range [%s] in %s", s.window, expr)
		}
	}
}

func TestConventions(t *testing.T) {
	for name, m := range all(t) {
		for _, f := range lint(m) {
			t.Errorf("%s: %s", name, f)
		}
	}
}

// A rule that nothing can break holds nothing.
func TestConventionsAreHeld(t *testing.T) {
	for name, breaks := range map[string]func(*made){
		"editable":                   func(m *made) { m.Editable = true },
		"no uid":                     func(m *made) { m.UID = "" },
		"the data source has a name": func(m *made) { m.Templating.List[0].Label = "DB" },
		"no job":                     func(m *made) { m.Templating.List = slices.Delete(m.Templating.List, 1, 2) },
		"job of another source":      func(m *made) { m.Templating.List[1].Datasource.UID = "abc" },
		"one instance only":          func(m *made) { m.Templating.List[2].Multi = false },
		"stale variables":            func(m *made) { m.Templating.List[2].Refresh = 1 },
		"an annotation's source":     func(m *made) { m.Annotations.List[0].Datasource.UID = "abc" },
		"an id twice":                func(m *made) { m.Panels[2].ID = 2 },
		"no description":             func(m *made) { m.Panels[1].Description = "" },
		"no unit":                    func(m *made) { m.Panels[1].FieldConfig.Defaults.Unit = "" },
		"a panel's source":           func(m *made) { m.Panels[1].Datasource.UID = "abc" },
		"no query":                   func(m *made) { m.Panels[1].Targets = nil },
		"off the grid":               func(m *made) { m.Panels[1].GridPos.X = 23 },
		"no legend":                  func(m *made) { m.Panels[8].Targets[0].LegendFormat = "" },
		"all jobs":                   func(m *made) { m.Panels[1].Targets[0].Expr = `sum(sluice_x{instance=~"$instance"})` },
		"one instance in the query": func(m *made) {
			m.Panels[1].Targets[0].Expr = `sum(sluice_x{job=~"$job", instance="$instance"})`
		},
		"a bare counter": func(m *made) { m.Panels[1].Targets[0].Expr = promql(`sum(sluice_x_total{@})`) },
		"a gauge's rate": func(m *made) { m.Panels[1].Targets[0].Expr = promql(`rate(sluice_x{@}[@])`) },
		"a fixed range":  func(m *made) { m.Panels[1].Targets[0].Expr = promql(`rate(sluice_x_total{@}[5m])`) },
		"a long rate":    func(m *made) { m.Panels[1].Targets[0].Expr = promql(`rate(sluice_x_total{@}[$__range])`) },
		"a long range over time": func(m *made) {
			m.Panels[8].Targets[0].Expr = promql(`increase(sluice_x_total{@}[$__range])`)
		},
		"nothing of ours": func(m *made) { m.Panels[1].Targets[0].Expr = `vector(1)` },
	} {
		m := all(t)["migration.json"]
		breaks(&m)
		if len(lint(m)) == 0 {
			t.Errorf("%s: nobody minds", name)
		}
	}
}

// Prometheus can read every query. promtool reads rules, so they are written as such.
func TestQueriesAreValid(t *testing.T) {
	var b strings.Builder
	b.WriteString("groups: [{name: queries, rules: [\n")
	fill := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$job", "a", "$instance", "b", "$check", "c")
	n := 0
	for _, m := range all(t) {
		for _, p := range m.Panels {
			for _, q := range p.Targets {
				fmt.Fprintf(&b, "{record: %q, expr: '%s'},\n", fmt.Sprintf("q%d", n), fill.Replace(q.Expr))
				n++
			}
		}
	}
	file := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(file, []byte(b.String()+"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool("check", "rules", file); err != nil || !strings.Contains(out, fmt.Sprintf("%d rules found", n)) {
		t.Errorf("%v: %s", err, out)
	}
}

// promtool comes with Debian's prometheus.
func promtool(args ...string) (string, error) {
	out, err := exec.Command("promtool", args...).CombinedOutput()
	return string(out), err
}
