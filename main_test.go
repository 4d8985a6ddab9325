package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed says what each package may import of Sluice. Imports point one way:
// main, the edge and the sample app, the leaves, what a notification is.
var allowed = map[string][]string{
	"sluice":                              {"sluice/demo", "sluice/proxy"},
	"sluice/backend":                      {},
	"sluice/backend/feed":                 {"sluice/backend"},
	"sluice/backend/guard":                {"sluice/backend"},
	"sluice/backend/latest":               {"sluice/backend", "sluice/internal/bounded"},
	"sluice/backend/modeltest":            {},
	"sluice/backend/pace":                 {},
	"sluice/backend/sourcetest":           {"sluice/backend"},
	"sluice/backend/sqlstore":             {"sluice/backend"},
	"sluice/backend/tune":                 {},
	"sluice/backend/upstream":             {"sluice/backend"},
	"sluice/bench":                        {},
	"sluice/bench/lab":                    {"sluice/internal/servertest"},
	"sluice/bench/peers":                  {},
	"sluice/bench/scale":                  {"sluice/backend", "sluice/backend/feed", "sluice/backend/guard", "sluice/backend/latest", "sluice/backend/pace", "sluice/backend/tune", "sluice/proxy/config"},
	"sluice/client":                       {},
	"sluice/client/build":                 {"sluice/client", "sluice/client/internal/bundle"},
	"sluice/client/internal/bundle":       {},
	"sluice/compat":                       {"sluice/backend", "sluice/internal/bounded"},
	"sluice/compat/census":                {},
	"sluice/dashboards":                   {},
	"sluice/dashboards/build":             {"sluice/dashboards"},
	"sluice/compat/shadow":                {"sluice/backend"},
	"sluice/demo":                         {"sluice/client"},
	"sluice/e2e":                          {},
	"sluice/e2e/appdb":                    {"sluice/backend"},
	"sluice/e2e/chaos":                    {},
	"sluice/e2e/front":                    {},
	"sluice/e2e/sampleapp":                {"sluice/demo", "sluice/e2e/appdb"},
	"sluice/internal/bounded":             {},
	"sluice/internal/bounded/boundedtest": {},
	"sluice/internal/redisconn":           {},
	"sluice/internal/servertest":          {},
	"sluice/internal/uptime":              {},
	"sluice/proxy":                        {"sluice/backend", "sluice/backend/feed", "sluice/backend/guard", "sluice/backend/latest", "sluice/backend/pace", "sluice/backend/sqlstore", "sluice/backend/tune", "sluice/backend/upstream", "sluice/client", "sluice/compat", "sluice/compat/census", "sluice/compat/shadow", "sluice/internal/bounded", "sluice/internal/redisconn", "sluice/internal/uptime", "sluice/proxy/after", "sluice/proxy/auth", "sluice/proxy/config", "sluice/proxy/fastpath", "sluice/proxy/shim", "sluice/rollout", "sluice/rollout/control", "sluice/rollout/evidence", "sluice/rollout/spec"},
	"sluice/proxy/after":                  {"sluice/client"},
	"sluice/proxy/auth":                   {"sluice/backend", "sluice/internal/bounded", "sluice/internal/uptime"},
	"sluice/proxy/config":                 {"sluice/internal/redisconn"},
	"sluice/proxy/fastpath":               {},
	"sluice/proxy/shim":                   {},
	"sluice/rollout":                      {"sluice/internal/bounded"},
	"sluice/rollout/control":              {"sluice/rollout", "sluice/rollout/spec"},
	"sluice/rollout/evidence":             {"sluice/rollout/control", "sluice/rollout/spec"},
	"sluice/rollout/spec":                 {"sluice/rollout", "sluice/rollout/control", "sluice/rollout/evidence"},
}

// edgeOnly are the libraries that only the edge may know, directly or not, by how
// their packages begin.
var edgeOnly = []string{"go.uber.org/zap", "github.com/prometheus/"}

type listed struct {
	ImportPath    string
	Imports, Deps []string
}

func TestDependencyDirection(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		may, known := allowed[p.ImportPath]
		if !known {
			t.Errorf("%s: a new package; say here what it may import", p.ImportPath)
			continue
		}
		for _, dep := range p.Imports {
			if strings.HasPrefix(dep, "sluice/") && !slices.Contains(may, dep) {
				t.Errorf("%s must not import %s", p.ImportPath, dep)
			}
		}
		edge := p.ImportPath == "sluice" || p.ImportPath == "sluice/proxy" || p.ImportPath == "sluice/bench/peers"
		for _, dep := range p.Deps {
			if !edge && slices.ContainsFunc(edgeOnly, func(library string) bool { return strings.HasPrefix(dep, library) }) {
				t.Errorf("%s depends on %s, which only the edge may know", p.ImportPath, dep)
			}
		}
	}
}

func list(t *testing.T) (packages []listed) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	return packages
}
