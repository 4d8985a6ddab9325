package evidence

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// History is what a gateway has seen of all gateways' counts. It may be used
// concurrently.
type History struct {
	reach time.Duration

	mu    sync.Mutex
	last  map[string]lastSeen // by gateway
	total Counts              // of what was added while we looked
	seen  []sight             // oldest first
}

// lastSeen is a gateway's latest counts, and when they came.
type lastSeen struct {
	at     time.Time
	counts Counts
}

// sight is the total at a time.
type sight struct {
	at    time.Time
	total Counts
}

// NewHistory keeps what was seen for as long as reach.
func NewHistory(reach time.Duration) *History {
	return &History{reach: reach, last: map[string]lastSeen{}, total: Counts{}}
}

// See notes what the gateways have counted, at a time that is later than all before.
func (h *History) See(at time.Time, reports map[string]Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, r := range reports {
		before, known := h.last[name]
		if known && r.Counts[Uptime] < before.counts[Uptime] {
			r.Counts = before.counts // the exchange has gone back to an older report
		}
		h.last[name] = lastSeen{at, r.Counts}
		if !known && h.older(r, at) {
			continue // what was counted before we looked is not known to be recent
		}
		share := h.recent(before.counts, r.Counts, at)
		for count, v := range r.Counts {
			h.total[count] += share * (v - before.counts[count])
		}
	}
	// A name that has not come for long comes no more; the Exchange has forgotten it.
	maps.DeleteFunc(h.last, func(_ string, l lastSeen) bool { return at.Sub(l.at) > 2*forgotten })
	h.seen = append(h.seen, sight{at, maps.Clone(h.total)})
	h.thin(at)
}

// older says whether a gateway that is seen for the first time began to count before
// the last look: at our first look each did, and later one whose counts Redis had lost.
func (h *History) older(r Report, at time.Time) bool {
	if len(h.seen) == 0 {
		return true
	}
	since := at.Sub(h.seen[len(h.seen)-1].at) + 2*Every
	return r.Counts[Uptime] > since.Seconds()
}

// recent is the share of what a gateway has counted since its last report that belongs
// to the time since the last look: who could not publish for minutes, and now does,
// has not done all that in a moment. Ratios stay what they were.
func (h *History) recent(before, now Counts, at time.Time) float64 {
	counted := now[Uptime] - before[Uptime]
	if len(before) == 0 || len(h.seen) == 0 || counted <= 0 {
		return 1
	}
	since := at.Sub(h.seen[len(h.seen)-1].at) + 2*Every
	return min(1, since.Seconds()/counted)
}

// fineness is how much longer than asked for a time may become, as one part in so many.
const fineness = 64

// thin drops sights that nobody needs: the older they are, the farther apart they
// may stand, and the last one before the reach is where a time that long begins.
func (h *History) thin(now time.Time) {
	for len(h.seen) > 1 && now.Sub(h.seen[1].at) >= h.reach {
		h.seen = h.seen[1:]
	}
	for i := len(h.seen) - 2; i > 0; i-- {
		if gap := h.seen[i+1].at.Sub(h.seen[i-1].at); gap <= now.Sub(h.seen[i+1].at)/fineness {
			h.seen = slices.Delete(h.seen, i, i+1)
		}
	}
}

// Since is what all gateways together have counted since a time, and over how
// long that was seen: a little longer, so that two spans that join leave nothing
// out. It is 0 when the time was not seen, but for its first quarter at most, or
// nothing was seen after it.
func (h *History) Since(t, now time.Time) (Counts, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) == 0 {
		return nil, 0
	}
	from, to := h.seen[0], h.seen[len(h.seen)-1]
	for _, s := range h.seen {
		if s.at.After(t) {
			break
		}
		from = s
	}
	span := now.Sub(t)
	if from.at.Sub(t) > span/4 || !to.at.After(from.at) || now.Sub(to.at) > span/4+2*Every {
		return nil, 0
	}
	added := maps.Clone(to.total)
	for name := range added {
		added[name] -= from.total[name]
	}
	return added, to.at.Sub(from.at)
}
