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

// maxGzipped is what a script may cost a first visit, in bytes.
const maxGzipped = 5 << 10

// scripts are what the package hands out, by the name of their source.
var scripts = map[string]func() []byte{"client": Script, "eventsource": DropIn}

func TestScriptsAreBuiltFromSource(t *testing.T) {
	if len(scripts) != len(bundle.Scripts) {
		t.Errorf("%d scripts are handed out, %d built", len(scripts), len(bundle.Scripts))
	}
	for name, script := range scripts {
		want, err := bundle.Script("src", name, Version())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(script(), want) {
			t.Errorf("client/dist/%s.js is not what client/src gives: go run ./client/build", name)
		}
	}
}

func TestScriptsAreSmall(t *testing.T) {
	for name, script := range scripts {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(script()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s.js: %d bytes, %d gzipped", name, len(script()), packed.Len())
		if len(script()) == 0 || packed.Len() > maxGzipped {
			t.Errorf("%s.js: %d bytes gzipped, want 1 to %d", name, packed.Len(), maxGzipped)
		}
	}
}

// What comes from the network must never become markup or code, and an unload
// handler would keep pages out of the back/forward cache.
func TestScriptsKeepOffDangerousAPIs(t *testing.T) {
	dangerous := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|["'](before)?unload["']`)
	for name, script := range scripts {
		if found := dangerous.Find(script()); found != nil {
			t.Errorf("%s.js uses %s", name, found)
		}
	}
}

func TestScriptsNameTheirVersion(t *testing.T) {
	for name, script := range scripts {
		if !bytes.HasPrefix(script(), []byte("/* Sluice "+name+" "+Version()+" */")) {
			t.Errorf("%s.js does not begin with its name and version %s", name, Version())
		}
	}
}

func TestScriptsAreCopies(t *testing.T) {
	for name, script := range scripts {
		script()[0] ^= 0xff
		if script()[0] != '/' {
			t.Errorf("%s.js: a caller can change the script for others", name)
		}
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
		if err := os.WriteFile(filepath.Join(dir, "client.ts"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Script(dir, "client", "1"); err == nil {
			t.Errorf("%s: built without an error", name)
		}
	}
}
