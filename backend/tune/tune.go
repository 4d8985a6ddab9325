// Package tune recommends a poll interval: the longest one at which items are as
// fresh as they shall be, if the gateway can bear the polls. docs/tuning.md derives
// every symbol.
//
// All times are seconds, all rates per second.
package tune

import "math"

const (
	// Jitter is by how much a client's wait differs from the interval, either way, at
	// most: client/src/schedule.ts, spread.
	Jitter = 0.1
	// MostStretch is how much more rarely a client polls while nothing happens, at
	// most: client/src/schedule.ts, IDLE_MOST.
	MostStretch = 4
	// Floor is the shortest interval: clients start no poll sooner after another
	// (MIN_GAP), and are told whole seconds.
	Floor = 1
)

// Target is what the operator wants.
type Target struct {
	Staleness float64 // S, at the quantile
	Quantile  float64 // p, of items
	Budget    float64 // P, polls; 0: as many as there are
	Ceiling   float64 // the longest interval
}

// Measured is what the formula has to know of clients and gateway.
type Measured struct {
	Clients  float64 // N, that poll as they are told
	Unmoved  float64 // U, polls of clients that no interval moves
	Overhead float64 // R, the part of an item's staleness that is no wait for a poll
	Stretch  float64 // a ≥ 1, how much longer than told the waits are in which items come
}

// Limit is what an interval was chosen by.
type Limit string

// The limits.
const (
	ByStaleness Limit = "staleness" // the target is just met
	ByBudget    Limit = "budget"    // so many polls and no more
	ByFloor     Limit = "floor"
	ByCeiling   Limit = "ceiling"
)

// Advice is a recommendation.
type Advice struct {
	Interval float64 // T
	Limit    Limit
	Stale    float64 // T_stale; 0 or less if the target cannot be met by polling
	Cap      float64 // T_cap; infinite if the budget is gone without these clients
	// Feasible: the interval meets target and budget both.
	Feasible bool
	// Needs is the polls that the target takes; infinite if none suffice.
	Needs float64
}

// Recommend gives the interval.
func Recommend(t Target, m Measured) Advice {
	a := Advice{
		Stale: (t.Staleness - m.Overhead) / (m.Stretch * t.Quantile * (1 + Jitter)),
		Cap:   m.cap(t.Budget),
		Limit: ByStaleness,
	}
	a.Needs = math.Inf(1)
	if a.Stale > 0 {
		a.Needs = m.Polls(min(a.Stale, t.Ceiling))
	}
	a.Feasible = a.Stale >= max(Floor, a.Cap) && a.Cap <= t.Ceiling
	a.Interval = a.Stale
	if a.Interval < a.Cap {
		a.Interval, a.Limit = a.Cap, ByBudget
	}
	if a.Interval < Floor {
		a.Interval, a.Limit = Floor, ByFloor
	}
	if a.Interval > t.Ceiling {
		a.Interval, a.Limit = t.Ceiling, ByCeiling
	}
	return a
}

// cap is the interval at which the clients use up what the others leave of a budget.
func (m Measured) cap(budget float64) float64 {
	switch {
	case budget == 0:
		return 0
	case budget <= m.Unmoved:
		return math.Inf(1)
	}
	return m.Clients / (budget - m.Unmoved)
}

// Staleness is what to expect of an interval at a quantile; rather more than less.
func (m Measured) Staleness(interval, quantile float64) float64 {
	return m.Overhead + m.Stretch*quantile*(1+Jitter)*interval
}

// Polls is how many there are at an interval, at most: when every client is busy.
func (m Measured) Polls(interval float64) float64 { return m.Clients/interval + m.Unmoved }
