package rollout

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func userName(i int) string { return fmt.Sprintf("user-%d", i) }

// writeFlags writes a flag file into a folder of the test and returns its path.
func writeFlags(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flags.json")
	write(t, path, text)
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string, opts Options) *Flags {
	t.Helper()
	f, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// transportFile is a flag file with one flag and the targeting given.
func transportFile(targeting string) string {
	return `{"flags": {"notifications-transport": {
  "state": "ENABLED",
  "variants": {"sse": "sse", "poll": "poll"},
  "defaultVariant": "sse",
  "targeting": ` + targeting + `
}}}`
}

// everybody is a flag file that puts all users on one transport.
func everybody(on Transport) string {
	return transportFile(`{"fractional": [["` + string(on) + `", 1]]}`)
}
