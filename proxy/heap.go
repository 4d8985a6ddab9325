package proxy

const heapFloorSize = 16 << 20

// heapFloor is in the garbage collector's books for as long as it is kept, and takes no
// memory: it is never touched, and has no pointers. A gateway with a few megabytes in use
// would otherwise be collected after each few megabytes of polls, which is a twentieth of
// what they cost. One with many users or streams has at most twice as much more garbage.
func heapFloor() []byte { return make([]byte, heapFloorSize) }
