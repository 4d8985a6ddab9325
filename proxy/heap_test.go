package proxy

import (
	"runtime"
	"testing"
)

func TestASmallHeapIsLeftAlone(t *testing.T) {
	floor := heapFloor()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.NextGC < 2*heapFloorSize {
		t.Errorf("collected again at %d bytes", m.NextGC)
	}
	runtime.KeepAlive(floor)
}
