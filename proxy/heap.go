package proxy

import (
	"context"
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// gcPercent is how much garbage may gather, of what is in use. The runtime's own 100
	// would cost a gateway with many streams 2 KiB more for each: what is kept of them lies
	// between the garbage of their beginning, and does so for as long as they last.
	gcPercent     = 33
	heapFloorSize = 70 << 20
)

// heapFloor is in the garbage collector's books for as long as it is kept, and takes no
// memory: it is never touched, and has no pointers. A gateway with a few megabytes in use
// would otherwise be collected after each few megabytes of polls, which is a twentieth of
// what they cost. Whoever sets GOGC has the last word.
func heapFloor() []byte {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return make([]byte, heapFloorSize)
}

const (
	tidyEvery = time.Second
	// quietFor is how many of these in a row have to be quiet: what was given back has to be
	// fetched again when there is more to do.
	quietFor = 3
	// quietRate is how much a gateway allocates in a second that has little to do, in
	// bytes: no more than some hundred polls, or one quietPart of what it holds. 10,000 streams
	// hold 200 MB, and allocate up to 1.8 MB a second while they look for news every 5 s.
	quietRate = 1 << 20
	quietPart = 64
	// littleGarbage is not worth a collection, in bytes.
	littleGarbage = 2 << 20
)

// heapUse is what the runtime tells of the heap, in bytes, but for the floor.
type heapUse struct {
	allocated uint64 // since the process began
	live      uint64 // at the last collection
	resident  uint64 // live, garbage, or free and not given back to the system
}

// quiet tells whether little has happened in the second since before.
func (now heapUse) quiet(before heapUse) bool {
	return now.allocated-before.allocated < max(quietRate, now.resident/quietPart)
}

// wasteful tells whether more than an eighth of what is kept is of no use. What was live
// before much has happened says nothing any more: then a little is enough.
func (now heapUse) wasteful(afterMuch bool) bool {
	if afterMuch {
		return now.resident > now.live+littleGarbage
	}
	return now.resident > now.live+max(now.live/8, littleGarbage)
}

// tidy collects garbage and gives memory back to the system when little is going on,
// until ctx ends. The runtime itself waits until as much garbage as is in use has gathered,
// which after many streams were opened, or after a busy hour, may be never.
func tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	quiet, much := 0, false
	for before := readHeap(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := readHeap()
		if quiet++; !now.quiet(before) {
			quiet, much = 0, true
		}
		if quiet >= quietFor && now.wasteful(much) {
			debug.FreeOSMemory()
			quiet, much = 0, false
		}
		before = now
	}
}

func readHeap() heapUse {
	samples := []runtimemetrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	runtimemetrics.Read(samples)
	of := func(i int) uint64 { return samples[i].Value.Uint64() }
	used := func(bytes uint64) uint64 { return bytes - min(bytes, heapFloorSize) }
	return heapUse{of(0), used(of(1)), used(of(2) + of(3))}
}
