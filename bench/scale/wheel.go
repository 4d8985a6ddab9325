package scale

import "time"

const (
	// tick is how exactly time is told: everything that is due within one happens in it.
	tick = 50 * time.Millisecond
	// slots is how many ticks the wheel has before it begins anew: 7 minutes, longer
	// than the longest wait but sessions and nights.
	slots = 1 << 13
)

const none = -1

// wheel has one alarm for each browser (a timing wheel, Varghese and Lauck 1987). Setting one
// and taking one take the same time, however many there are.
type wheel struct {
	now   int64   // the tick that is next
	heads []int32 // the first browser of each slot, or none
	next  []int32 // by browser: the next of its slot, or none
	at    []int64 // by browser: the tick of its alarm
}

func newWheel(browsers int) *wheel {
	w := &wheel{heads: make([]int32, slots), next: make([]int32, browsers), at: make([]int64, browsers)}
	for i := range w.heads {
		w.heads[i] = none
	}
	return w
}

// set sets the alarm of a browser that has none. One in the past goes off next.
func (w *wheel) set(browser int32, at time.Duration) {
	w.at[browser] = max(int64((at+tick-1)/tick), w.now)
	slot := &w.heads[min(w.at[browser], w.now+slots-1)%slots]
	w.next[browser], *slot = *slot, browser
}

// turn goes on by one tick, and calls due for each alarm of it, which may set it anew.
func (w *wheel) turn(due func(browser int32)) {
	slot := w.now % slots
	first := w.heads[slot]
	w.heads[slot] = none
	now := w.now
	w.now++
	for first != none {
		browser := first
		first = w.next[browser]
		if at := w.at[browser]; at > now {
			w.set(browser, time.Duration(at)*tick) // further away than the wheel reaches
			continue
		}
		due(browser)
	}
}
