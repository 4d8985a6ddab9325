package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/licences.md anew")

// licences are those that we take, by what their texts say and nothing else does; the
// first that fits counts.
var licences = []struct{ says, name string }{
	{"Apache License\n", "Apache-2.0"},
	{"Mozilla Public License", "MPL-2.0"},
	{"Neither the name", "BSD-3-Clause"},
	{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"CC0 1.0 Universal", "CC0-1.0"},
}

// docs/licences.md is made of the licences that the modules themselves come with.
func TestLicences(t *testing.T) {
	program, all := modules(t, "-deps", "."), modules(t, "-deps", "-test", "./...")
	var b strings.Builder
	b.WriteString("# Licences\n\nOf every module that is in the program, and of those that only its tests and tools use. Made by `go test . -run Licences -update`;\n" +
		"a module with a licence that is not among these fails that test.\n\n| Module | Licence | In the program |\n|---|---|---|\n")
	for _, path := range slices.Sorted(maps.Keys(all)) {
		in := ""
		if program[path] != "" {
			in = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", path, licenceIn(t, all[path]), in)
	}
	const file = "docs/licences.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != b.String() {
		t.Errorf("%s is out of date: %v; run go test . -run Licences -update", file, err)
	}
	if len(program) < 20 || len(all) <= len(program) {
		t.Errorf("%d modules in the program, %d in all", len(program), len(all))
	}
}

// licenceIn is the licence in a module's folder.
func licenceIn(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "[LC][IO][CP][EY]*"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no licence", filepath.Base(folder))
		return ""
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range licences {
		if strings.Contains(string(text), l.says) {
			return l.name
		}
	}
	t.Errorf("%s: a licence that is not known here", filepath.Base(folder))
	return ""
}

// modules are the folders of the modules, but our own, of all packages that go list
// finds.
func modules(t *testing.T, args ...string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=Module"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Module != nil && !p.Module.Main {
			found[p.Module.Path] = p.Module.Dir
		}
	}
	return found
}
