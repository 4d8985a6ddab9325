package proxy

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"

	"sluice/internal/servertest"
)

func TestASmallHeapIsLeftAlone(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	floor := heapFloor()
	if percent := debug.SetGCPercent(gcPercent); percent != gcPercent {
		t.Errorf("it is collected at %d %%", percent)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.NextGC < heapFloorSize+heapFloorSize*gcPercent/100 {
		t.Errorf("collected again at %d bytes", m.NextGC)
	}
	runtime.KeepAlive(floor)
}

func TestWhoeverSetsGOGCHasTheLastWord(t *testing.T) {
	t.Setenv("GOGC", "70")
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	heapFloor()
	if percent := debug.SetGCPercent(70); percent != 70 {
		t.Errorf("it is collected at %d %%", percent)
	}
}

// What was used once goes back to the system when little is going on, and while much is
// nothing is done.
func TestMemoryGoesBack(t *testing.T) {
	const much = 256 << 20
	used := make([]byte, much)
	for i := 0; i < much; i += 4096 {
		used[i] = 1
	}
	runtime.KeepAlive(used)
	used = nil   //nolint:ineffassign,wastedassign // or it would be kept
	runtime.GC() // as the runtime does every two minutes at least
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { tidy(ctx); close(ended) }()
	servertest.Eventually(t, "it is given back", func() bool {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse+m.HeapIdle-m.HeapReleased < much
	})
	stop()
	<-ended
}

func TestWhenMemoryGoesBack(t *testing.T) {
	const mb = 1 << 20
	for name, c := range map[string]struct {
		now                        heapUse
		quiet, wasteful, afterMuch bool
	}{
		"nothing to gain":  {heapUse{100 * mb, 200 * mb, 201 * mb}, true, false, false},
		"less than it was": {heapUse{100 * mb, 200 * mb, 190 * mb}, true, false, false},
		"a little":         {heapUse{100 * mb, 4 * mb, 5 * mb}, true, false, false},
		"a twentieth":      {heapUse{100 * mb, 200 * mb, 210 * mb}, true, false, true},
		"an eighth":        {heapUse{100*mb + quietRate - 1, 200 * mb, 226 * mb}, true, true, true},
		"many streams":     {heapUse{103 * mb, 170 * mb, 200 * mb}, true, true, true},
		"much is going on": {heapUse{104 * mb, 170 * mb, 200 * mb}, false, true, true},
		"some polls":       {heapUse{100*mb + quietRate, 4 * mb, 9 * mb}, false, true, true},
	} {
		before := heapUse{allocated: 100 * mb}
		if c.now.quiet(before) != c.quiet || c.now.wasteful(false) != c.wasteful || c.now.wasteful(true) != c.afterMuch {
			t.Errorf("%s: %v %v %v", name, c.now.quiet(before), c.now.wasteful(false), c.now.wasteful(true))
		}
	}
}
