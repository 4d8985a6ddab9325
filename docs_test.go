package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docs/guarantees.md promises is held by tests; each that it names exists.
func TestGuaranteesNameTheirTests(t *testing.T) {
	text, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := allTests()
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !strings.Contains(tests, "func "+m[1]+"(") {
			t.Errorf("docs/guarantees.md names %s, which does not exist", m[1])
		}
	}
	for _, m := range regexp.MustCompile("[|,] \"([^\"\n]+)\"").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(strings.ReplaceAll(tests, `\'`, `'`), "'"+m[1]+"'") {
			t.Errorf("docs/guarantees.md names the test %q, which does not exist", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`((?:e2e|client)/[^`]+)`").FindAllStringSubmatch(string(text), -1) {
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
