package chaos

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// waits are the longest times that rows of one phase waited.
type waits struct {
	rows int
	// hidden is how long after the commit a poll began that succeeded and still left
	// the row out.
	hidden time.Duration
	// polled and streamed are from the commit to the delivery, outages included.
	polled, streamed time.Duration
}

// report prints what each phase cost, and checks it against the bounds.
func (a *audience) report() {
	for _, p := range a.books.phases {
		slices.Sort(p.polls)
		a.t.Logf("figure: %s | %s; %d polls, %d failed, half within %s, 99 %% within %s, all within %s", p.name, a.hiddenIn(p, false, bound),
			len(p.polls), p.fails, ms(at(p.polls, 0.5)), ms(at(p.polls, 0.99)), ms(at(p.polls, 1)))
		if a.late {
			a.t.Logf("figure: %s: what became visible over 24 s late | %s", p.name, a.hiddenIn(p, true, vouched))
		}
		if p.fails > 0 && (p.calm || !errors.Is(p.first, errOutage)) {
			a.t.Errorf("%s: %d of %d polls failed, such as: %v", p.name, p.fails, len(p.polls), p.first)
		}
	}
	a.t.Logf("figure: the stated bounds | hidden for at most %s, and %s if over 24 s late", bound, vouched)
}

// hiddenIn tells how long rows of a phase waited, late ones or the others, and
// fails the test if they were hidden for too long.
func (a *audience) hiddenIn(p *phase, late bool, limit time.Duration) string {
	var w waits
	for id, row := range a.books.rows {
		if row.committed.IsZero() || row.late != late || a.books.at(row.committed) != p {
			continue
		}
		w.rows++
		hidden, until := longest(a.pollers, id, row.committed)
		w.hidden, w.polled = max(w.hidden, hidden), max(w.polled, until)
		_, until = longest(a.streamers, id, row.committed)
		w.streamed = max(w.streamed, until)
	}
	if w.hidden > limit+slack {
		a.t.Errorf("%s: hidden for %s, longer than %s", p.name, w.hidden, limit)
	}
	return fmt.Sprintf("%d rows, hidden for at most %s, delivered within %s, on streams within %s", w.rows, ms(w.hidden), ms(w.polled), ms(w.streamed))
}

// longest tells for how long after a moment an item was hidden from readers, and
// until when they had to wait for it.
func longest(readers []*reader, id string, committed time.Time) (hidden, until time.Duration) {
	for _, r := range readers {
		if d, ok := r.seen[id]; ok {
			hidden, until = max(hidden, d.leftOut.Sub(committed)), max(until, d.at.Sub(committed))
		}
	}
	return hidden, until
}

// at is a quantile of sorted durations.
func at(sorted []time.Duration, quantile float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(quantile*float64(len(sorted)-1))]
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
