package shadow

import (
	"context"
	"errors"
	"time"

	"sluice/backend"
)

const (
	// mostPages is how many pages a poll follows one another.
	mostPages = 20
	// prompt is how soon after the stream's delivery a look must be over to tell an item
	// that the store never had from one that was deleted.
	prompt = 2 * time.Second
)

// poller is the virtual poller of one user.
type poller struct {
	*Shadow
	*streams
	user string

	// Only run uses these.
	memory *memory
	begun  bool      // it has a place
	place  string    // what it sends as after_id
	whole  time.Time // the beginning of the last read that saw all there was in the store
	ahead  []item    // delivered by the stream only, and not looked for yet
}

func newPoller(s *Shadow, user string) *poller {
	return &poller{
		Shadow:  s,
		user:    user,
		streams: &streams{observer: s.Observer, news: make(chan struct{}, 1), open: map[*Stream]bool{}},
		memory:  newMemory(s.Observer),
	}
}

// run polls until nobody needs it any more, or ctx ends.
func (p *poller) run(ctx context.Context) {
	next := time.NewTimer(round)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			p.memory.giveUp(Stopped)
			return
		case <-p.news:
			p.hear(ctx)
		case <-next.C:
			began := time.Now()
			p.hear(ctx)
			p.poll(ctx, began)
			if p.leave(p.user, func() bool { return p.unneeded(began) }) {
				p.memory.giveUp(StreamEnded)
				return
			}
			next.Reset(p.Interval())
		}
	}
}

// unneeded says whether the poll that began at a moment was the last: there is no
// stream, and either none has lasted or the settling time is over since.
func (p *poller) unneeded(began time.Time) bool {
	at, ended := p.ended()
	return ended && (!p.begun || began.Sub(at) >= p.Settle)
}

// hear notes what went by, and looks at once for what polling has not delivered yet.
func (p *poller) hear(ctx context.Context) {
	p.note()
	ahead := p.ahead
	p.ahead = nil
	for i, seen := range p.look(ctx, ahead) {
		if r := p.memory.items[i]; r != nil && time.Since(r.streamed) <= prompt {
			r.first = seen
		}
	}
}

// note notes what went by.
func (p *poller) note() {
	told, whole := p.take()
	for _, d := range told {
		switch {
		case !p.begun:
			p.memory.know(d.item)
		case p.memory.streamed(d.item, d.at):
			p.ahead = append(p.ahead, d.item)
		}
	}
	if !whole {
		p.beginAnew(TooMany)
	}
}

// beginAnew forgets the place: the next poll is a first one.
func (p *poller) beginAnew(why Reason) {
	p.begun = false
	p.memory.giveUp(why)
}

// poll polls once, to the end, and judges what is due.
func (p *poller) poll(ctx context.Context, began time.Time) {
	var err error
	if p.begun {
		err = p.follow(ctx)
	} else if _, ended := p.ended(); !ended {
		err = p.begin(ctx)
	}
	p.judge(ctx, began, err == nil)
}

// begin asks for the newest page, which is known from then on, and all that is older.
func (p *poller) begin(ctx context.Context) error {
	began := time.Now()
	page, err := p.read(ctx, p.Polls, backend.Query{Limit: pageSize})
	if err != nil {
		return err
	}
	for _, n := range page.Items {
		p.memory.know(itemOf(n.Key))
	}
	if len(page.Items) > 0 {
		p.memory.floor = max(p.memory.floor, itemOf(page.Items[0].Key).second)
	}
	p.begun, p.place, p.whole = true, page.Place, began
	return nil
}

var errTooMany = errors.New("shadow: too many pages")

// follow asks for what is new, page after page.
func (p *poller) follow(ctx context.Context) error {
	for range mostPages {
		began := time.Now()
		page, err := p.read(ctx, p.Polls, backend.Query{After: p.place, Limit: p.Limit})
		if err != nil {
			return err
		}
		now := time.Now()
		for _, n := range page.Items {
			p.memory.polled(itemOf(n.Key), now, p.whole)
		}
		p.place = page.Place
		if page.Reset {
			p.beginAnew(OutOfReach)
			return nil
		}
		if !page.More {
			if page.Now != 0 { // read from the store
				p.whole = began
			}
			return nil
		}
	}
	p.beginAnew(TooMany)
	return errTooMany
}

var errExpired = errors.New("shadow: the credential has expired")

// read reads on the user's behalf, when it is this poller's turn.
func (p *poller) read(ctx context.Context, from backend.Source, q backend.Query) (backend.Page, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return backend.Page{}, ctx.Err()
	}
	defer func() { <-p.slots }()
	c, good := p.who()
	if !good {
		return backend.Page{}, errExpired
	}
	return from.Read(ctx, c, q)
}
