// Package uptime is the clock by which waits and beliefs are counted that are kept as numbers.
package uptime

import "time"

var start = time.Now()

// At is a moment as time since the process began. It is by the monotonic clock: the other one
// may be set back, as after a boot with a wrong one, and what was due would be as much later.
func At(t time.Time) time.Duration { return t.Sub(start) }
