package latest

import (
	"context"
	"time"

	"sluice/backend"
)

// auditSlack is what the source may know more than a cache that is right: a feed
// is believed for 5 s, and created_at counts whole seconds.
const auditSlack = 6 * time.Second

// FalseEmpty is an empty answer that the cache would have given although the
// source had something that it had had for too long.
type FalseEmpty struct {
	User    string
	Layer   string
	Age     time.Duration // of the entry
	Vouched bool          // fresh by the feed's word, not by its age
	Bound   time.Duration
	Item    string        // the id of the hidden item
	Hidden  time.Duration // since it was created; it may have become visible later
}

// audit reads the source although the cache would have answered, and compares.
// The read heals the entry; the reader gets what the source said.
func (r *Reader) audit(ctx context.Context, c backend.Caller, q backend.Query, l lookup) (backend.Page, error) {
	bound := r.Bound(l.entry().read(l.asked))
	if r.Shared != nil && l.shared.Result == "" {
		l.shared = r.Shared.Get(ctx, c.User) // for its ticket
	}
	page, err := r.read(ctx, c, q, l)
	if err != nil {
		return page, err
	}
	var found *FalseEmpty
	// What slid in behind the place proves nothing: it may have become visible just now.
	for _, n := range page.Items[page.Repeated:] {
		hidden := time.Duration(page.Now-n.At) * time.Microsecond
		if hidden > bound+auditSlack {
			found = &FalseEmpty{c.User, l.hit, l.entry().Age, l.vouched, bound, n.ID, hidden}
			break
		}
	}
	r.Observer.Audited(found)
	return page, nil
}

// entry is the one that hit.
func (l lookup) entry() Lookup {
	if l.hit == Shared {
		return l.shared
	}
	return l.local
}
