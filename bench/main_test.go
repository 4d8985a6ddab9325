// Package bench measures what Sluice costs beside what one would pick instead, as
// ./bench/run does it; RESULTS.md is what came out last. A target is a lab.Row next
// to what measures it.
package bench

import (
	"os"
	"testing"

	"sluice/bench/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.Main(m, "sluice", "sluice/bench/peers"))
}
