package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/servertest"
)

// The unit is what systemd takes without a word, with little for an intruder to use.
func TestTheSystemdUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze on this machine")
	}
	text, err := os.ReadFile("../deploy/sluice.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "sluice.service")
	installed := strings.ReplaceAll(string(text), "/usr/local/bin/sluice", filepath.Join(bin, "sluice"))
	if err := os.WriteFile(unit, []byte(installed), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// In tenths, of 10.0 for a unit that protects nothing; about 1 is network, which it needs.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

// The program needs no more than a read-only file, two ports and nobody's rights, and
// can get no more: it runs in a root that holds nothing else, and every set of its
// capabilities is empty, the bounding set too.
func TestNobodyWithAReadOnlyRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a root for others")
	}
	root, w := t.TempDir(), newWorld(t)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(bin, "sluice"))
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "sluice"), program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	// All in one process: after an exec with an empty bounding set not even root may change its root.
	const enter = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" &&
		exec capsh --no-new-privs --chroot="$0" --drop=all --inh= --noamb --groups= --gid=65534 --uid=65534 --shell=/sluice -- serve`
	if _, err := exec.LookPath("capsh"); err != nil {
		t.Fatalf("%v; it is in Debian's libcap2-bin", err)
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("this machine lets nobody have mounts of their own: %v %s", err, out)
	}
	var environ []string
	for _, e := range w.environ {
		if !strings.HasPrefix(e, "SLUICE_STORE_") && !strings.HasPrefix(e, "SLUICE_LISTEN=") {
			environ = append(environ, e) // the database is not in there
		}
	}
	w.sluice = servertest.StartProcess(t, append(environ, "SLUICE_LISTEN=127.0.0.1:0"), "unshare", "--mount", "--propagation", "private", "sh", "-c", enter, root)
	w.url = "http://" + w.sluice.Logged("serving")["listen"].(string)

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.sluice.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`Uid:\t65534\t65534`, `Gid:\t65534\t65534`, `Groups:\t\s*\n`, `NoNewPrivs:\t1`, `CapInh:\t0+\n`, `CapPrm:\t0+\n`, `CapEff:\t0+\n`, `CapBnd:\t0+\n`, `CapAmb:\t0+\n`} {
		if !regexp.MustCompile(want).Match(status) {
			t.Errorf("not %s: %s", want, status)
		}
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/root/x", w.sluice.PID()), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("its root can be written: %v", err)
	}
	id := w.insert("alice", "hello")
	alice := w.user("alice")
	if err := alice.poll(t); err != nil || len(alice.seen) != 1 || alice.seen[0] != id {
		t.Errorf("a poll: %v, %v", alice.seen, err)
	}
	if status, _, err := alice.get(t, "/"); err != nil || status >= http.StatusInternalServerError {
		t.Errorf("the app: %d, %v", status, err)
	}
	w.sluice.Terminate()
	if status := w.sluice.Status(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
