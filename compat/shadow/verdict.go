package shadow

import (
	"context"
	"time"
)

// judge gives the verdicts that are due when a poll began.
func (p *poller) judge(ctx context.Context, began time.Time, polled bool) {
	var due []item
	for i, r := range p.memory.items {
		settled := r.delivered().Add(p.Settle)
		switch {
		case r.judged || began.Before(settled):
		case r.both():
			p.memory.close(r, "")
		case r.polled.IsZero() && !polled:
			p.wait(r, ReadFailed)
		case !r.polled.IsZero() && !p.hadChance(r.unseen, settled):
			p.wait(r, StreamEnded)
		default:
			due = append(due, i)
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

// wait leaves an item for a later verdict, unless it has waited long enough.
func (p *poller) wait(r *record, why Reason) {
	if time.Since(r.delivered()) > 2*(p.Settle+p.Interval()) {
		p.memory.close(r, why)
	}
}

// give judges an item that only one side had delivered, by what the store has now.
func (p *poller) give(i item, r *record, now sight) {
	onlyStreamed := r.polled.IsZero()
	switch {
	case r.both(): // meanwhile
		p.memory.close(r, "")
	case now == unknown:
		p.wait(r, ReadFailed)
	case now == tooOld:
		p.memory.close(r, OutOfReach)
	case now == changed || p.memory.replaced(i):
		p.memory.close(r, Changed)
	case onlyStreamed && (now == there || r.first == absent):
		r.judged = true
		p.Observer.Missed(p.user, i.id, now == there)
	case onlyStreamed && r.first == unknown:
		p.memory.close(r, ReadFailed)
	case now == there:
		r.judged = true
		p.Observer.Extra(p.user, i.id)
	default:
		p.memory.close(r, Gone)
	}
}
