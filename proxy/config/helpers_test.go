package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write puts content into a new file and gives its path.
func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads content as sluice.yaml, and cuts the folder from error texts so that tests can spell them out.
func load(t testing.TB, content string, environ ...string) (Config, []string, string) {
	t.Helper()
	path := write(t, "sluice.yaml", content)
	c, warnings, err := Load(path, environ)
	for i := range warnings {
		warnings[i] = strings.ReplaceAll(warnings[i], filepath.Dir(path)+"/", "")
	}
	if err == nil {
		return c, warnings, ""
	}
	return c, warnings, strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
}

// mustLoad is load for a configuration that must be right.
func mustLoad(t testing.TB, content string, environ ...string) Config {
	t.Helper()
	c, _, problem := load(t, content, environ...)
	if problem != "" {
		t.Fatal(problem)
	}
	return c
}
