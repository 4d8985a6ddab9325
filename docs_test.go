package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is promised is held by tests; each that is named exists.
func TestPromisesNameTheirTests(t *testing.T) {
	tests, err := allTests()
	if err != nil {
		t.Fatal(err)
	}
	for file, least := range map[string]int{"docs/guarantees.md": 100, "SECURITY.md": 20} {
		wantNamedTests(t, file, least, tests)
	}
}

func wantNamedTests(t *testing.T, file string, least int, tests string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < least {
		t.Errorf("%s names only %d tests", file, len(named))
	}
	for _, m := range named {
		if !strings.Contains(tests, "func "+m[1]+"(") {
			t.Errorf("%s names %s, which does not exist", file, m[1])
		}
	}
	for _, m := range regexp.MustCompile("[|,] \"([^\"\n]+)\"").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(strings.ReplaceAll(tests, `\'`, `'`), "'"+m[1]+"'") {
			t.Errorf("%s names the test %q, which does not exist", file, m[1])
		}
	}
	for _, m := range regexp.MustCompile("`((?:e2e|client|scripts)/[^`]+)`").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Error(err)
		}
	}
}

// allTests is the text of all test files.
func allTests() (string, error) {
	var all strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == "node_modules":
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go"), strings.HasSuffix(path, ".test.mjs"), strings.HasSuffix(path, ".spec.mjs"):
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		}
		return nil
	})
	return all.String(), err
}
