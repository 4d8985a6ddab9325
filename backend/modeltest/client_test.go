package modeltest

import (
	"context"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"sluice/backend"
)

// client is one tab of a user: it polls with what it was told last.
type client struct {
	number int
	user   string
	mind
	past  []mind
	under *poll        // nil: it waits for no answer
	last  backend.Page // its last answer
}

// mind is what a client holds on to, and what it is owed. Going back to an older
// cursor is going back to the mind of that time.
type mind struct {
	after string    // what it sends as after_id
	at    time.Time // when the poll began that it has this from; its read may have begun up to a bound before
	since time.Time // it is owed what became visible later
	// known are the items that it was shown and must not be sent as new again (true),
	// and others that it is not owed (false): a reset told it so, or a bare id lost
	// them.
	known map[*item]bool
}

// poll is one request.
type poll struct {
	gateway   *gateway
	signalled time.Time // when the gateway had heard of a change last
	query     backend.Query
	bare      []*item // after_id is the id of this item, in these versions
	foreign   bool    // after_id is nothing of this user
	step      int
	began     time.Time
	ended     time.Time
	page      backend.Page
	err       error
	done      chan struct{}
}

// ask begins a poll. give is how long the client waits for the answer; 0 is for ever.
func (w *world) ask(c *client, g *gateway, limit int, give time.Duration) {
	p := &poll{
		gateway: g, signalled: g.signalled, step: w.step(), began: time.Now(), done: make(chan struct{}),
		query: backend.Query{After: c.after, Limit: limit},
	}
	p.foreign = c.after != "" && w.byID(c.user, c.after) == nil && !w.issued[c.user][c.after]
	c.under = p
	go func() {
		defer close(p.done)
		ctx, cancel := w.ctx, context.CancelFunc(func() {})
		if give > 0 {
			ctx, cancel = context.WithTimeout(ctx, give)
		}
		defer cancel()
		p.page, p.err = g.reader.Read(ctx, backend.Caller{User: c.user, Token: "t"}, p.query)
		p.ended = time.Now()
	}()
}

// take lets a client have its answer, if it is there, and checks it.
func (w *world) take(t *rapid.T, c *client) {
	p := c.under
	if p == nil {
		return
	}
	select {
	case <-p.done:
	default:
		return
	}
	c.under, c.last = nil, p.page
	if p.err != nil {
		return // the client asks again, from where it is
	}
	p.bare = w.byID(c.user, p.query.After)
	fresh := w.checkShape(t, c, p)
	w.checkRepeats(t, c, p, fresh)
	w.remember(c, p)
	if !p.page.More {
		w.checkHidden(t, c, p)
	}
	if p.page.Place != c.after {
		c.after, c.at = p.page.Place, p.began
		w.issued[c.user][c.after] = true
	}
	past := c.mind
	past.known = maps.Clone(past.known)
	c.past = append(c.past, past)
}

// checkShape holds a page to its contract, and returns the items that are new by
// it.
func (w *world) checkShape(t *rapid.T, c *client, p *poll) []*item {
	page := p.page
	if page.Check == backend.CheckGap && !page.Reset {
		t.Fatal("a gap without a reset")
	}
	fresh := page.Items[page.Repeated:]
	if len(fresh) > p.query.Limit && page.Check != backend.CheckGap {
		t.Fatalf("%d items, limit %d", len(fresh), p.query.Limit)
	}
	if page.More && len(fresh) != p.query.Limit {
		t.Fatalf("more follow after %d of %d items", len(fresh), p.query.Limit)
	}
	w.checkReset(t, c, p)
	var last backend.Key
	var items []*item
	for i, n := range page.Items {
		row := w.byKey[n.Key]
		if row == nil || row.user != c.user || n.Title != c.user {
			t.Fatalf("%s is shown %s of %s", c.user, n.ID, n.Title)
		}
		if n.Compare(last) <= 0 {
			t.Fatalf("%s is out of order", n.ID)
		}
		last = n.Key
		if i >= page.Repeated {
			items = append(items, row)
		}
	}
	return items
}

// checkReset allows a reset only where a place cannot be kept, and demands it
// where the place is nobody's.
func (w *world) checkReset(t *rapid.T, c *client, p *poll) {
	short := w.is.window > 0 && w.made[c.user] >= w.is.window // the source may not reach back far enough
	switch {
	case p.foreign && !p.page.Reset:
		t.Fatalf("%q of somebody else is taken for a place", p.query.After)
	case p.foreign, !p.page.Reset, short:
	case p.bare != nil && !p.bare[len(p.bare)-1].gone.IsZero():
	default:
		t.Fatalf("reset at %q", p.query.After)
	}
}

// checkRepeats allows items to be sent again only where a check failed, and that
// only where something has changed behind the client's place.
func (w *world) checkRepeats(t *rapid.T, c *client, p *poll, fresh []*item) {
	if p.page.Check == backend.CheckLate && w.disturbed[c.user].Before(c.at.Add(-heardBound)) {
		t.Fatalf("the checksum of %q failed, but all came in order since", p.query.After)
	}
	if p.page.Repeated > 0 && p.page.Check != backend.CheckLate && p.page.Check != backend.CheckBare {
		t.Fatalf("repeats after check %q", p.page.Check)
	}
	if p.page.Reset || p.query.After == "" || p.bare != nil {
		return
	}
	for _, i := range fresh {
		if c.known[i] {
			t.Fatalf("%s is sent again as new", i.ID)
		}
	}
}

// remember is what a client knows after a page.
func (w *world) remember(c *client, p *poll) {
	switch {
	case p.query.After == "":
		c.mind = mind{since: p.ended, known: map[*item]bool{}}
	case p.page.Reset:
		w.excuse(c, func(i *item) bool { return !i.visible.After(p.ended) })
	case p.bare != nil:
		for i := range c.known {
			if i.Compare(p.bare[0].Key) > 0 || len(p.bare) > 1 {
				c.known[i] = false // it may come again
			}
		}
		w.excuse(c, func(i *item) bool { return !i.visible.After(p.ended) && w.behindBare(i, p) })
	}
	for _, n := range p.page.Items {
		c.known[w.byKey[n.Key]] = true
	}
}

// behindBare tells whether an item may be lost to a client that names its place by
// an id: that carries no checksum, so what slid in behind it is sent only if both
// are young. A row that was replaced has had several places, and its cached answer
// may be about any of them.
func (w *world) behindBare(i *item, p *poll) bool {
	place := slices.MaxFunc(p.bare, func(a, b *item) int { return a.Compare(b.Key) })
	if i.Compare(place.Key) > 0 {
		return false
	}
	look := place.Time().Add(-backend.BareLookBack)
	young := place.Time().Add(backend.BareLookBack).After(p.ended)
	sent := young && len(p.bare) == 1 && w.is.window == 0 && i.At >= look.UnixMicro() && i.visible.Before(p.began)
	return !sent
}

func (w *world) excuse(c *client, which func(*item) bool) {
	for _, i := range w.items {
		if _, known := c.known[i]; i.user == c.user && !known && which(i) {
			c.known[i] = false
		}
	}
}

// checkHidden is the promise: a client that has been told that nothing more
// follows has everything that has been visible for longer than the bound.
func (w *world) checkHidden(t *rapid.T, c *client, p *poll) {
	for _, i := range w.items {
		if i.user != c.user || !i.visible.After(c.since) || !i.gone.IsZero() || i.Expired(time.Now().UnixMicro()) {
			continue
		}
		if _, known := c.known[i]; known {
			continue
		}
		if hidden, limit := p.began.Sub(i.visible), p.gateway.limit(i, p, w.is, w.lost()); hidden > limit {
			t.Fatalf("%s, created %s before it became visible, has been hidden for %s from a client at %q; the bound is %s",
				i.ID, i.visible.Sub(i.Time()), hidden, p.query.After, limit)
		}
	}
}
