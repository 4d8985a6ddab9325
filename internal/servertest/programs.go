package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// RunWithPrograms builds packages into a temporary folder, tells use which one,
// runs the tests and returns the status for os.Exit.
func RunWithPrograms(m *testing.M, use func(folder string), packages ...string) (status int) {
	folder, err := os.MkdirTemp("", "sluice-programs-")
	if err == nil {
		defer os.RemoveAll(folder)
		err = build(folder, packages)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	use(folder)
	return m.Run()
}

// build builds as the Dockerfile does.
func build(folder string, packages []string) error {
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", folder + string(filepath.Separator)}, packages...)
	command := exec.Command("go", args...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
