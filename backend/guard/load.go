package guard

import (
	"sync"
	"time"
)

// Load is what reads were like since the last call of [Source.Load].
type Load struct {
	// Took is the mean time of the reads that ended, their wait for a turn included;
	// of those under way if these have taken longer by now. 0 without any.
	Took time.Duration
	// Refused is how many reads got no turn in time.
	Refused int
	// Resting tells that the source is left alone.
	Resting bool
}

// meter adds up the time of reads. The zero value is ready.
type meter struct {
	mu      sync.Mutex
	epoch   time.Time
	open    int
	starts  time.Duration // sum over the open reads, since epoch
	ended   int
	took    time.Duration // sum over the ended ones
	refused int
	resting bool
}

// begin notes a read; the function it returns notes its end.
func (m *meter) begin() (end func()) {
	start := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == 0 {
		m.epoch, m.starts = start, 0
	}
	m.open++
	m.starts += start.Sub(m.epoch)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.open--
		m.starts -= start.Sub(m.epoch)
		m.ended++
		m.took += time.Since(start)
	}
}

func (m *meter) refuse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused++
}

func (m *meter) rest(resting bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.resting = resting
}

// Load implements the gateway's look at the source, and starts anew.
func (s *Source) Load() Load {
	m := s.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	l := Load{Refused: m.refused, Resting: m.resting}
	if m.ended > 0 {
		l.Took = m.took / time.Duration(m.ended)
	}
	if m.open > 0 {
		l.Took = max(l.Took, time.Since(m.epoch)-m.starts/time.Duration(m.open))
	}
	m.ended, m.took, m.refused = 0, 0, 0
	return l
}
