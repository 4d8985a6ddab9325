package scale

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// The report and its pictures.
const (
	document = "../../docs/scale.md"
	pictures = "../../docs/scale"
)

// onlyForTheReport skips what takes minutes.
func onlyForTheReport(t *testing.T) {
	t.Helper()
	if os.Getenv("SLUICE_SCALE") == "" {
		t.Skip("only for the report; ./bench/scale/run")
	}
	debug.SetGCPercent(50) // a million users fit into 4 GiB
}

// users is how many of the fleet are simulated: as many as there should be, unless
// SLUICE_SCALE says fewer.
func users(t *testing.T, most int) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("SLUICE_SCALE"))
	if err != nil {
		t.Fatal("SLUICE_SCALE is how many users there are at most: ", err)
	}
	return min(n, most)
}

// simulate runs a fleet in a bubble of its own, on one core: so what happens at one time
// happens in one order.
func simulate(t *testing.T, s Settings, then func(*fleet, *measured)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(*testing.T) {
		f := newFleet(s)
		then(f, f.run())
	})
}

func replace(t *testing.T, name, text string) {
	t.Helper()
	if err := section(document, name, text); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text, drawing string) {
	t.Helper()
	replace(t, name, text)
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, name+".svg"), []byte(drawing), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTrouble(t *testing.T) {
	onlyForTheReport(t)
	for _, c := range scenarios {
		t.Run(c.name, func(t *testing.T) {
			s, began := c.settings(users(t, c.users)), time.Now()
			simulate(t, s, func(_ *fleet, m *measured) {
				text := windowsTable(s, m, c.windows)
				t.Log("\n" + text)
				write(t, c.name, text, pictureOf(c.title, s, m))
			})
			t.Log(time.Since(began).Round(time.Second))
		})
	}
}

// What Sluice reads, how many gateways there are and what is in front of them.
func TestVariants(t *testing.T) {
	onlyForTheReport(t)
	var results []result
	for _, v := range variants {
		s := fleetOf(users(t, million/100))
		v.change(&s)
		simulate(t, s, func(f *fleet, m *measured) { results = append(results, f.result(m)) })
	}
	text := variantsTable(results)
	t.Log("\n" + text)
	replace(t, "variants", text)
	replace(t, "tuning", tuningTable(results[0]))
}

// Whether a part of the fleet tells of the whole.
func TestGrowth(t *testing.T) {
	onlyForTheReport(t)
	var results []result
	for _, n := range []int{million / 1000, million / 100, million / 10} {
		s := fleetOf(min(n, users(t, n)))
		simulate(t, s, func(f *fleet, m *measured) { results = append(results, f.result(m)) })
		text := growthTable(results)
		t.Log("\n" + text)
		replace(t, "growth", text)
	}
}

func TestDay(t *testing.T) {
	onlyForTheReport(t)
	s := day(users(t, million/100))
	simulate(t, s, func(_ *fleet, m *measured) {
		text := dayTable(s, m)
		t.Log("\n" + text)
		write(t, "day", text, dayPicture(s, m))
	})
}
