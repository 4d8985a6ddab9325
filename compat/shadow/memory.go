package shadow

import (
	"time"

	"sluice/backend"
)

// mostItems is how many items a poller remembers.
const mostItems = 500

// item is what both sides call an item by. The same id with another created_at is
// another item.
type item struct {
	id     string
	second int64 // of created_at, since 1970
}

func itemOf(k backend.Key) item { return item{k.ID, k.Time().Unix()} }

// record is what is known of an item. Of a side that has not delivered it the moment
// is zero.
type record struct {
	streamed, polled time.Time
	unseen           time.Time // the beginning of the last read of the store without it, for one that was polled
	first            sight     // what a look right after the stream's delivery found
	judged           bool      // or not to be
}

// both says whether both sides have delivered it.
func (r *record) both() bool { return !r.streamed.IsZero() && !r.polled.IsZero() }

// delivered is when the stream did, or else polling: the time from which it settles.
func (r *record) delivered() time.Time {
	if r.streamed.IsZero() {
		return r.polled
	}
	return r.streamed
}

// memory is what both sides have delivered to one user.
type memory struct {
	observer Observer
	items    map[item]*record
	floor    int64 // the second up to which nothing is compared
}

func newMemory(o Observer) *memory { return &memory{observer: o, items: map[item]*record{}} }

// know takes an item out of the comparison.
func (m *memory) know(i item) {
	if r := m.at(i); r != nil {
		r.judged = true
	}
}

// streamed notes a delivery of the stream, and reports whether polling has not
// delivered that item yet.
func (m *memory) streamed(i item, now time.Time) (ahead bool) {
	r := m.at(i)
	if r == nil || r.judged || !r.streamed.IsZero() {
		return false
	}
	r.streamed = now
	return !r.both()
}

// polled notes a delivery of a poll. unseen is when the last read began that would
// have shown the item if it had been there.
func (m *memory) polled(i item, now, unseen time.Time) {
	r := m.at(i)
	if r != nil && r.polled.IsZero() {
		r.polled, r.unseen = now, unseen
	}
}

// at is the record of an item, a new one if need be; nil if it is too old to be
// compared.
func (m *memory) at(i item) *record {
	if r := m.items[i]; r != nil {
		return r
	}
	if i.second > m.floor && len(m.items) >= mostItems {
		m.forgetOldest()
	}
	if i.second <= m.floor {
		return nil
	}
	r := &record{}
	m.items[i] = r
	return r
}

// forgetOldest makes room. Of the oldest second others may be forgotten already, so
// nothing of it is compared any more.
func (m *memory) forgetOldest() {
	var oldest item
	for i := range m.items {
		if oldest == (item{}) || i.second < oldest.second {
			oldest = i
		}
	}
	m.close(m.items[oldest], TooMany)
	delete(m.items, oldest)
	m.floor = max(m.floor, oldest.second)
}

// close ends an item's comparison: it is fine if both sides have delivered it, else
// it cannot be told, for a reason.
func (m *memory) close(r *record, why Reason) {
	switch {
	case r.judged:
	case r.both():
		m.observer.Compared(r.polled.Sub(r.streamed))
	default:
		m.observer.Inconclusive(why)
	}
	r.judged = true
}

// giveUp judges nothing that is still open.
func (m *memory) giveUp(why Reason) {
	for _, r := range m.items {
		m.close(r, why)
	}
}

// replaced tells whether an id was delivered with another created_at as well.
func (m *memory) replaced(i item) bool {
	for other := range m.items {
		if other.id == i.id && other != i {
			return true
		}
	}
	return false
}
