package backend

import (
	"slices"
	"time"
)

// BareLookBack is how far behind a bare id rows are sent again while its item is
// younger than this: an id carries no checksum that would tell whether it is
// needed.
const BareLookBack = 30 * time.Second

// Snapshot is one user's rows in one consistent state, as a source shows them
// to Read. Keys count every row, expired ones too; items leave expired ones out.
// All slices are in ascending order.
type Snapshot interface {
	// Now is the source's clock, in microseconds since 1970.
	Now() int64
	// Keys returns the keys at or after the moment from and up to the key to,
	// and whether the source reaches back far enough to know them all.
	Keys(from int64, to Key) (keys []Key, complete bool, err error)
	// Span returns the items of the same rows.
	Span(from int64, to Key) ([]Notification, error)
	// After returns the oldest n items after k, and whether the source knows
	// every row after k.
	After(k Key, n int) (items []Notification, complete bool, err error)
	// Before returns the newest n items before k. A source that may have older
	// items but cannot reach any fails with OutOfReach.
	Before(k Key, n int) ([]Notification, error)
	// Newest returns the newest n items.
	Newest(n int) ([]Notification, error)
	// All returns everything at hand, for a reader whose place was lost in a
	// source that cannot reach it.
	All() ([]Notification, error)
	// Find returns the key of an item by its id.
	Find(id string) (Key, bool, error)
}

// Read answers a query from a snapshot. lookBack is how far behind a position
// the source looks for rows that became visible late; rows that become visible
// later than that after their created_at are lost.
func Read(s Snapshot, user string, lookBack time.Duration, q Query) (Page, error) {
	p, err := reader{s, user, lookBack}.answer(q)
	p.Now = s.Now()
	return p, err
}

type reader struct {
	Snapshot
	user     string
	lookBack time.Duration
}

func (r reader) answer(q Query) (Page, error) {
	switch {
	case q.Before != "":
		return r.older(q)
	case q.After != "":
		return r.after(q)
	default:
		return r.first(q.Limit)
	}
}

// first is the newest page, for a reader without a place.
func (r reader) first(limit int) (Page, error) {
	items, err := r.Newest(limit)
	return r.newest(Page{}, items, err)
}

// lost is the answer when the reader's place cannot be kept: everything the
// source has at hand rather than an empty page that hides something.
func (r reader) lost() (Page, error) {
	items, err := r.All()
	return r.newest(Page{Reset: true, Check: CheckGap}, items, err)
}

// unknown is the answer to a place that is not one of this user.
func (r reader) unknown(limit int) (Page, error) {
	items, err := r.Newest(limit)
	return r.newest(Page{Reset: true}, items, err)
}

func (r reader) newest(p Page, items []Notification, err error) (Page, error) {
	if err != nil {
		return Page{}, err
	}
	w, err := r.window(Cursor{}, items)
	if err != nil {
		return Page{}, err
	}
	return r.page(p, w, Cursor{}, nil, items), nil
}

// older answers before_id: no cursor, no check.
func (r reader) older(q Query) (Page, error) {
	c, ok, err := r.locate(q.Before)
	if err != nil {
		return Page{}, err
	}
	if !ok.known {
		return r.unknown(q.Limit)
	}
	items, err := r.Before(c.Key, q.Limit+1)
	if err != nil {
		return Page{}, err
	}
	more := len(items) > q.Limit
	if more {
		items = items[1:]
	}
	return Page{Items: items, More: more}, nil
}

// after answers after_id: the oldest items behind the place, and the look-back
// again if its checksum no longer holds.
func (r reader) after(q Query) (Page, error) {
	c, ok, err := r.locate(q.After)
	if err != nil {
		return Page{}, err
	}
	if !ok.known {
		return r.unknown(q.Limit)
	}
	items, complete, err := r.After(c.Key, q.Limit+1)
	if err != nil {
		return Page{}, err
	}
	if !complete {
		return r.lost()
	}
	var p Page
	if p.More = len(items) > q.Limit; p.More {
		items = items[:q.Limit]
	}
	w, err := r.window(c, items)
	if err != nil {
		return Page{}, err
	}
	p.Check = verdict(c, ok.bare, w)
	repeats, err := r.repeats(c.Key, p.Check)
	if err != nil {
		return Page{}, err
	}
	if p.Check == CheckGap {
		return r.lost()
	}
	return r.page(p, w, c, repeats, items), nil
}

type located struct{ known, bare bool }

// locate finds the place that a client's text names.
func (r reader) locate(text string) (Cursor, located, error) {
	if c, ok := Open(text, r.user); ok {
		return c, located{known: true}, nil
	}
	key, found, err := r.Find(text)
	return Cursor{Key: key}, located{known: found, bare: true}, err
}

// verdict compares the rows behind a place with its checksum. Those of a settled
// place cannot have grown.
func verdict(c Cursor, bare bool, w *window) Check {
	switch {
	case bare:
		return CheckBare
	case c.Still():
		return CheckEqual
	case !w.complete:
		return CheckGap
	case w.moveTo(c.Key) != c.Sum:
		return CheckLate
	}
	return CheckEqual
}

// Still reports a place behind which nothing can slide in any more. A poll from there
// that finds nothing new asks for nothing but what is After it.
func (c Cursor) Still() bool { return c.Settled || c.Key == (Key{}) }

// repeats is what to send again: the look-back after a failed check, and what
// stands shortly before a bare id while its item is young. The place's own item
// stays in the list, so that a client which takes the newest id of a page for
// its place does not step back, but it is not repeated alone.
func (r reader) repeats(k Key, check Check) ([]Notification, error) {
	span := r.lookBack
	switch check {
	case CheckLate:
	case CheckBare:
		if r.olderThan(k, BareLookBack) {
			return nil, nil
		}
		span = BareLookBack
	default:
		return nil, nil
	}
	items, err := r.Span(k.before(span), k)
	if len(items) == 1 && items[0].Key == k {
		return nil, err
	}
	return items, err
}

// page completes p with the repeats, the items and the place after each of them.
// c is the place the reader came with.
func (r reader) page(p Page, w *window, c Cursor, repeats, items []Notification) Page {
	p.Items, p.Repeated = slices.Concat(repeats, items), len(repeats)
	if !c.Still() && len(items) == 0 {
		c = r.cursor(c.Key, w)
	}
	for _, n := range items {
		c = r.cursor(n.Key, w)
		p.Marks = append(p.Marks, c)
	}
	p.Place = c.Seal(r.user)
	if !p.More {
		p.Latest = &Latest{
			At: c.At, ID: hashID(c.ID), Sum: c.Sum, Covered: w.complete,
			Aged: r.olderThan(c.Key, BareLookBack),
		}
	}
	return p
}

// cursor issues a place; places are asked for in ascending order.
func (r reader) cursor(k Key, w *window) Cursor {
	return Cursor{Key: k, Sum: w.moveTo(k), Settled: r.olderThan(k, r.lookBack)}
}

func (r reader) olderThan(k Key, d time.Duration) bool { return k.before(-d) < r.Now() }

// window reads the keys that the checksums of a page are made of: from the
// look-back behind the reader's place, or behind the first item where that place
// is not looked at, to the last item.
func (r reader) window(c Cursor, items []Notification) (*window, error) {
	w := &window{lookBack: r.lookBack}
	from, to := c.Key, c.Key
	if len(items) > 0 {
		to = items[len(items)-1].Key
	}
	if c.Still() {
		if len(items) == 0 {
			// A settled place that stays is not looked at, so its sum proves nothing.
			w.complete = c.Key == (Key{})
			return w, nil
		}
		from = items[0].Key
	}
	var err error
	w.keys, w.complete, err = r.Keys(from.before(r.lookBack), to)
	return w, err
}

// window is the checksum of a look-back that moves forward over ascending keys.
type window struct {
	keys       []Key
	complete   bool // the source knows every row of the look-backs
	lookBack   time.Duration
	start, end int
	sum        uint64
}

// moveTo returns the sum of the look-back behind k, k itself included. Calls
// must not go back.
func (w *window) moveTo(k Key) uint64 {
	for ; w.end < len(w.keys) && w.keys[w.end].Compare(k) <= 0; w.end++ {
		w.sum += hash(w.keys[w.end])
	}
	for ; w.start < w.end && w.keys[w.start].At < k.before(w.lookBack); w.start++ {
		w.sum -= hash(w.keys[w.start])
	}
	return w.sum
}
