package client

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"sluice/client/internal/bundle"
)

// maxGzipped is what the script may cost a first visit, in bytes.
const maxGzipped = 5 << 10

func TestScriptIsBuiltFromSource(t *testing.T) {
	want, err := bundle.Script("src", Version())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(Script(), want) {
		t.Error("client/dist/client.js is not what client/src gives: go run ./client/build")
	}
}

func TestScriptIsSmall(t *testing.T) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(Script()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(Script()) == 0 || packed.Len() > maxGzipped {
		t.Errorf("client.js: %d bytes gzipped, want 1 to %d", packed.Len(), maxGzipped)
	}
}

// What comes from the network must never become markup or code, and an unload
// handler would keep pages out of the back/forward cache.
func TestScriptKeepsOffDangerousAPIs(t *testing.T) {
	dangerous := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|["'](before)?unload["']`)
	if found := dangerous.Find(Script()); found != nil {
		t.Errorf("client.js uses %s", found)
	}
}

func TestScriptNamesItsVersion(t *testing.T) {
	if !bytes.Contains(Script(), []byte(`"`+Version()+`"`)) {
		t.Errorf("client.js does not hold the version %s", Version())
	}
}

func TestScriptIsACopy(t *testing.T) {
	Script()[0] ^= 0xff
	if Script()[0] != script[0] || script[0] != '/' {
		t.Error("a caller can change the script for others")
	}
}

func TestLockfileNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte(`"resolved"`)) {
		t.Error(`package-lock.json holds "resolved" addresses: run npm with omit-lockfile-registry-resolved=true`)
	}
}

func TestBuildReportsMistakes(t *testing.T) {
	for name, source := range map[string]string{"syntax": "let = ;", "import": "import './missing.js'"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.ts"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Script(dir, "1"); err == nil {
			t.Errorf("%s: built without an error", name)
		}
	}
}
