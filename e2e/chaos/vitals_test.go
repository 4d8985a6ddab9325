package chaos

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// vitals are what a gateway's process holds, by its own metrics: memory in bytes, resident
// and, besides garbage, live.
type vitals struct{ goroutines, files, memory, live int }

// vitals asks the admin listener.
func (g *gateway) vitals(t *testing.T) vitals {
	t.Helper()
	resp, err := http.Get("http://" + g.admin + "/debug/pprof/heap?gc=1") // has the garbage collected
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	text := g.metrics(t)
	return vitals{
		int(value(t, text, "go_goroutines")), int(value(t, text, "process_open_fds")), int(value(t, text, "process_resident_memory_bytes")),
		int(value(t, text, "go_memstats_heap_alloc_bytes")),
	}
}

func (v vitals) String() string {
	return fmt.Sprintf("%d MB resident, %d MB live, %d goroutines, %d open files", v.memory>>20, v.live>>20, v.goroutines, v.files)
}

// spare is how much more than at the start may be left when everybody has gone: pools of
// connections to the servers stay open for a while.
const spare = 60

// returns waits until goroutines and files are as before.
func (g *gateway) returns(t *testing.T, before vitals) (after vitals) {
	t.Helper()
	servertest.Eventually(t, "goroutines and files are back to the start", func() bool {
		after = g.vitals(t)
		return after.goroutines <= before.goroutines+spare && after.files <= before.files+spare
	})
	return after
}

func (g *gateway) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get("http://" + g.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// metric is one of the gateway's, by its name and labels.
func (g *gateway) metric(t *testing.T, name string) float64 {
	t.Helper()
	return value(t, g.metrics(t), name)
}

func value(t *testing.T, text, name string) float64 {
	t.Helper()
	_, rest, _ := strings.Cut(text, "\n"+name+" ")
	line, _, _ := strings.Cut(rest, "\n")
	v, err := strconv.ParseFloat(line, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}
