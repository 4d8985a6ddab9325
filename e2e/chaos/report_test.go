package chaos

import (
	"errors"
	"slices"
	"time"
)

// waits are the longest times that rows of one phase waited.
type waits struct {
	rows int
	// hidden is how long after the commit a poll began that succeeded and still left
	// the row out; of late rows apart.
	hidden, late time.Duration
	// polled and streamed are from the commit to the delivery, outages included.
	polled, streamed time.Duration
}

// report prints what each phase cost, and checks it against the bounds.
func (a *audience) report() {
	for _, p := range a.books.phases {
		w := a.waitsOf(p)
		slices.Sort(p.polls)
		a.t.Logf("figure: %s | %d rows, hidden for at most %s, delivered within %s, on streams within %s; %d polls, %d failed, half within %s, 99 %% within %s, all within %s",
			p.name, w.rows, ms(w.hidden), ms(w.polled), ms(w.streamed), len(p.polls), p.fails, ms(at(p.polls, 0.5)), ms(at(p.polls, 0.99)), ms(at(p.polls, 1)))
		if w.late > 0 {
			a.t.Logf("figure: %s, rows that became visible over 24 s late | hidden for at most %s", p.name, ms(w.late))
		}
		if w.hidden > bound+slack || w.late > vouched+slack {
			a.t.Errorf("%s: hidden for %s, and %s if late: longer than %s and %s", p.name, w.hidden, w.late, bound, vouched)
		}
		if p.fails > 0 && (p.calm || !errors.Is(p.first, errOutage)) {
			a.t.Errorf("%s: %d of %d polls failed, such as: %v", p.name, p.fails, len(p.polls), p.first)
		}
	}
	a.t.Logf("figure: the stated bounds | hidden for at most %s, and %s if over 24 s late", bound, vouched)
}

func (a *audience) waitsOf(p *phase) (w waits) {
	for id, row := range a.books.rows {
		if row.committed.IsZero() || a.books.at(row.committed) != p {
			continue
		}
		w.rows++
		longest := func(readers []*reader) (hidden, until time.Duration) {
			for _, r := range readers {
				if d, ok := r.seen[id]; ok {
					hidden, until = max(hidden, d.leftOut.Sub(row.committed)), max(until, d.at.Sub(row.committed))
				}
			}
			return hidden, until
		}
		hidden, until := longest(a.pollers)
		w.polled = max(w.polled, until)
		if row.late {
			w.late = max(w.late, hidden)
		} else {
			w.hidden = max(w.hidden, hidden)
		}
		_, until = longest(a.streamers)
		w.streamed = max(w.streamed, until)
	}
	return w
}

// at is a quantile of sorted durations.
func at(sorted []time.Duration, quantile float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(quantile*float64(len(sorted)-1))]
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
