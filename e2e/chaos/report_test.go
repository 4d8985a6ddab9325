package chaos

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// waits are how long rows of one phase waited.
type waits struct {
	rows int
	// hidden is the longest time from a commit to the start of a poll that succeeded
	// and still left the row out.
	hidden time.Duration
	// polled and streamed are from commits to deliveries, outages included.
	polled, streamed []time.Duration
}

// report prints what each phase cost, and checks it against the bounds.
func (a *audience) report() {
	for _, p := range a.books.phases {
		a.t.Logf("figure: %s | %s; %d polls, %d failed, %s", p.name, a.hiddenIn(p, false, bound), len(p.polls), p.fails, spread(p.polls))
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
		for _, r := range a.pollers.of(row.user) {
			if d, ok := r.seen[id]; ok {
				w.hidden = max(w.hidden, d.leftOut.Sub(row.committed))
				w.polled = append(w.polled, d.at.Sub(row.committed))
			}
		}
		for _, r := range a.streamers.of(row.user) {
			if d, ok := r.seen[id]; ok {
				w.streamed = append(w.streamed, d.at.Sub(row.committed))
			}
		}
	}
	if w.hidden > limit+slack {
		a.t.Errorf("%s: hidden for %s, longer than %s", p.name, w.hidden, limit)
	}
	return fmt.Sprintf("%d rows, hidden for at most %s, delivered %s, on streams %s", w.rows, ms(w.hidden), spread(w.polled), spread(w.streamed))
}

// spread tells how long things took.
func spread(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("half within %s, 99 %% within %s, all within %s", ms(at(all, 0.5)), ms(at(all, 0.99)), ms(at(all, 1)))
}

// at is a quantile of sorted durations.
func at(sorted []time.Duration, quantile float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(quantile*float64(len(sorted)-1))]
}

// ms is a time for people; what is seen before its writer is told waits for nothing.
func ms(d time.Duration) time.Duration { return max(d, 0).Round(time.Millisecond) }
