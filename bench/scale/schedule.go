package scale

import (
	"math"
	"time"
)

// What client/src/schedule.ts has under the same names.
const (
	clientInterval = 5 * time.Second
	minGap         = time.Second
	clientTimeout  = 10 * time.Second
	backoffFirst   = time.Second
	backoffMax     = 30 * time.Second
	backoffLeast   = 500 * time.Millisecond
	idleAfter      = time.Minute
	idleGrowth     = 1.25
	idleMost       = 4.0
)

// schedule is client/src/schedule.ts: the waits of one tab. A test runs both with the
// same clock and the same random numbers, and compares.
type schedule struct {
	going    bool // the first wait is over
	failures uint8
	factor   float32
	busy     time.Duration // when something happened last
}

func newSchedule(now time.Duration) schedule { return schedule{factor: 1, busy: now} }

// active notes that there was news, or that somebody uses the page, and reports whether
// polls had become rarer.
func (s *schedule) active(now time.Duration) bool {
	rare := s.factor > 1
	s.factor, s.busy = 1, now
	return rare
}

func (s *schedule) succeeded() { s.failures = 0 }

// next is the wait after a success; random is in [0, 1).
func (s *schedule) next(now, server time.Duration, random float64) time.Duration {
	interval := max(clientInterval, server)
	if !s.going {
		s.going = true
		return max(minGap, scaled(interval, random))
	}
	if now-s.busy > idleAfter {
		s.factor = min(idleMost, s.factor*idleGrowth)
	}
	return scaled(interval, float64(s.factor)*(0.9+0.2*random))
}

// backoff is the wait after a failure.
func (s *schedule) backoff(retryAfter time.Duration, random float64) time.Duration {
	most := min(backoffMax, scaled(backoffFirst, math.Pow(2, float64(s.failures))))
	s.failures = min(s.failures+1, 10) // the longest has been reached long before
	return retryAfter + max(backoffLeast, scaled(most, random))
}

func scaled(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
