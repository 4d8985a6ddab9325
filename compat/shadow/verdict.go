package shadow

import (
	"context"
	"time"
)

// judge gives the verdicts that are due after a poll that began at a moment.
func (p *poller) judge(ctx context.Context, began time.Time, polled bool) {
	var due []item
	for i, r := range p.memory.items {
		if r.judged {
			continue
		}
		if why := p.wanting(r, began, polled); why == "" {
			due = append(due, i)
		} else {
			p.wait(r, why)
		}
	}
	seen := p.look(ctx, due)
	p.note() // what the other side has delivered meanwhile
	for _, i := range due {
		if r := p.memory.items[i]; r != nil && !r.judged {
			p.give(i, r, seen[i])
		}
	}
}

// wanting is what a verdict still lacks, if anything.
func (p *poller) wanting(r *record, began time.Time, polled bool) Reason {
	due := r.delivered().Add(p.Settle)
	switch {
	case !r.polled.IsZero() && p.hadChance(r.unseen, due):
		return ""
	case !r.polled.IsZero():
		return StreamEnded
	case polled && !began.Before(due):
		return ""
	}
	return ReadFailed
}

// wait leaves an item for a later verdict, unless it has waited long enough.
func (p *poller) wait(r *record, why Reason) {
	if time.Since(r.delivered()) > 2*(p.Settle+p.Interval) {
		p.memory.inconclusive(r, why)
	}
}

// give judges an item that only one side has delivered, by what the store has now.
func (p *poller) give(i item, r *record, now sight) {
	onlyStreamed := r.polled.IsZero()
	switch {
	case now == unknown:
		p.wait(r, ReadFailed)
	case now == tooOld:
		p.memory.inconclusive(r, OutOfReach)
	case now == changed || p.memory.replaced(i):
		p.memory.inconclusive(r, Changed)
	case onlyStreamed && (now == there || r.first == absent):
		r.judged = true
		p.Observer.Missed(p.user, i.id, now == there)
	case onlyStreamed && r.first == unknown:
		p.memory.inconclusive(r, ReadFailed)
	case now == there:
		r.judged = true
		p.Observer.Extra(p.user, i.id)
	default:
		p.memory.inconclusive(r, Gone)
	}
}
