// Package chaos runs three gateways over a real PostgreSQL and a real Redis,
// breaks what lies between them and kills what they need, while users poll and
// hold streams and the app writes. In the end the books must balance: each client
// was shown every row of its user and nothing else, after removing repeats by id,
// and nothing was hidden for longer than the staleness bound.
//
// TestCrowd does the same to one gateway with many clients, and looks at what its
// process holds; TestOverload asks more of one than it can answer.
//
// The short form takes about a minute and a half. With SLUICE_SOAK=10m the faults go on, and
// last longer, for at least that time, and Redis also fails over and moves slots.
// Lines of the log that begin with "figure:" are what ./scripts/soak collects.
package chaos

import (
	"fmt"
	"os"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// bin is where the built programs are.
var bin string

// soak is how long the faults go on; zero for the short form.
var soak time.Duration

func TestMain(m *testing.M) {
	if text := os.Getenv("SLUICE_SOAK"); text != "" {
		var err error
		if soak, err = time.ParseDuration(text); err != nil {
			fmt.Fprintln(os.Stderr, "SLUICE_SOAK:", err)
			os.Exit(1)
		}
	}
	os.Exit(servertest.RunWithPrograms(m, func(folder string) { bin = folder }, "sluice", "sluice/e2e/sampleapp"))
}
