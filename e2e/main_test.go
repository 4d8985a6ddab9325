// Package e2e runs the real program before the sample app, each as a process of
// its own, with a real Redis. The tests in Go are about processes: how they end,
// and what happens when one of them dies; and about a fleet of three that moves
// its users to polling (rollout_test.go). Those with a browser are in browser/.
package e2e

import (
	"os"
	"testing"

	"sluice/internal/servertest"
)

// bin is where the built programs are.
var bin string

func TestMain(m *testing.M) {
	os.Exit(servertest.RunWithPrograms(m, func(folder string) { bin = folder }, "sluice", "sluice/e2e/sampleapp"))
}
