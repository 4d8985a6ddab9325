package tune

import (
	"sync"
	"time"
)

const (
	// sliceCount slices of sliceFor are what a Window goes by; the oldest is always whole.
	sliceCount = 6
	sliceFor   = time.Minute

	// resolution is the width of a bin, in intervals. mostBins reach beyond the
	// longest wait of a client that polls as it is told.
	resolution = 1.0 / 16
	mostBins   = 5 * 16

	// enoughItems is from how many the mean staleness says something.
	enoughItems = 20
	// halfSecond is what created_at adds to an item's age on average: it has whole
	// seconds, rounded down.
	halfSecond = 0.5
)

// Window measures the last few minutes. It is safe for concurrent use; the zero
// value is not ready.
type Window struct {
	mu      sync.Mutex
	begin   time.Time
	ring    [sliceCount]sums
	current int64 // the slice that is being filled, counted from begin
}

type sums struct {
	polls, took   float64 // answered polls and their time
	told          float64 // of these, with the time since the client's last
	gaps, squares float64 // those times, and their squares
	items, ages   float64
	bins          [mostBins]float64 // told, by the time in intervals
}

// NewWindow begins to measure.
func NewWindow(now time.Time) *Window { return &Window{begin: now} }

// Polled notes an answered poll and what it took.
func (w *Window) Polled(now time.Time, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.at(now)
	s.polls++
	s.took += took.Seconds()
}

// Observed notes the time since the client's last poll, as it tells it, and the
// interval it was told.
func (w *Window) Observed(now time.Time, since, interval time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, gap := w.at(now), since.Seconds()
	s.told++
	s.gaps += gap
	s.squares += gap * gap
	bin := int(gap / interval.Seconds() / resolution)
	s.bins[min(bin, mostBins-1)]++
}

// Delivered notes the age of an item that reached a client which was there.
func (w *Window) Delivered(now time.Time, age time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.at(now)
	s.items++
	s.ages += age.Seconds()
}

// at is the slice of now. Those that have been passed over are emptied.
func (w *Window) at(now time.Time) *sums {
	slice := int64(now.Sub(w.begin) / sliceFor)
	for range min(slice-w.current, sliceCount) {
		w.current++
		w.ring[w.current%sliceCount] = sums{}
	}
	w.current = max(w.current, slice)
	return &w.ring[w.current%sliceCount]
}

// Measured is what the window shows, for a quantile of items. Without clients it is
// what those would show that poll as they are told.
func (w *Window) Measured(now time.Time, quantile float64) Measured {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at(now)
	var all sums
	for i := range w.ring {
		all.add(&w.ring[i])
	}
	first := max(w.current-sliceCount+1, 0)
	length := max(now.Sub(w.begin)-time.Duration(first)*sliceFor, time.Second).Seconds()
	return Measured{
		Clients:  all.gaps / length, // by Little's law: polls a second times the time between two
		Unmoved:  max(all.polls-all.told, 0) / length,
		Overhead: all.overhead(),
		Stretch:  all.stretch(quantile),
	}
}

func (s *sums) add(t *sums) {
	s.polls, s.took, s.told = s.polls+t.polls, s.took+t.took, s.told+t.told
	s.gaps, s.squares = s.gaps+t.gaps, s.squares+t.squares
	s.items, s.ages = s.items+t.items, s.ages+t.ages
	for i, n := range t.bins {
		s.bins[i] += n
	}
}

// overhead is the mean staleness less the mean wait for a poll: an item that may come
// at any time waits half a gap, in the mean over gaps by their length.
func (s *sums) overhead() float64 {
	poll := s.took / max(s.polls, 1)
	if s.items < enoughItems || s.gaps == 0 {
		return poll + halfSecond
	}
	return max(s.ages/s.items-s.squares/s.gaps/2, poll)
}

// stretch compares the quantile of the waits with that which the jitter alone allows
// for. The waits are those of items that may come at any time: the share of them that
// is at most w is the sum of min(gap, w) over the sum of the gaps.
func (s *sums) stretch(quantile float64) float64 {
	var sum, left float64
	for i, n := range s.bins {
		sum += n * middle(i)
		left += n
	}
	area, at := quantile*sum, 0.0
	for i, n := range s.bins {
		step := left * (middle(i) - at)
		if left == 0 || area <= step {
			break
		}
		area, at, left = area-step, middle(i), left-n
	}
	if left > 0 {
		at += area / left
	}
	return min(max(at/(quantile*(1+Jitter)), 1), MostStretch)
}

// middle is a gap in a bin, in intervals.
func middle(bin int) float64 { return (float64(bin) + 0.5) * resolution }
