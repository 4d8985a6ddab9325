package backend

import (
	"slices"
	"sort"
	"time"
)

// List is a Snapshot over rows in memory: all of a user's, or only the newest
// ones that the app was willing to show.
type List struct {
	rows []Notification // ascending
	cut  bool           // older rows may exist
	now  int64
}

// NewList sorts rows, which it takes over. cut says that older rows may exist;
// now is the clock of whoever made the rows.
func NewList(rows []Notification, cut bool, now time.Time) *List {
	slices.SortFunc(rows, func(a, b Notification) int { return a.Compare(b.Key) })
	return &List{rows, cut, now.UnixMicro()}
}

// Now is the clock given to NewList.
func (l *List) Now() int64 { return l.now }

// Keys implements Snapshot. Of the oldest second at hand only a part may be
// known, so the list is complete only from the second after.
func (l *List) Keys(from int64, to Key) ([]Key, bool, error) {
	var keys []Key
	for _, n := range l.span(from, to) {
		keys = append(keys, n.Key)
	}
	return keys, !l.cut || len(l.rows) > 0 && l.rows[0].At < from, nil
}

// Span implements Snapshot.
func (l *List) Span(from int64, to Key) ([]Notification, error) {
	return l.live(l.span(from, to)), nil
}

// After implements Snapshot.
func (l *List) After(k Key, n int) ([]Notification, bool, error) {
	items := l.live(l.rows[l.upTo(k):])
	reached := !l.cut || len(l.rows) > 0 && l.rows[0].Compare(k) <= 0
	return items[:min(n, len(items))], reached, nil
}

// Before implements Snapshot.
func (l *List) Before(k Key, n int) ([]Notification, error) {
	end := sort.Search(len(l.rows), func(i int) bool { return l.rows[i].Compare(k) >= 0 })
	if end == 0 && l.cut {
		return nil, &Error{Fault: OutOfReach, Detail: "before_id: older than the app's endpoint shows"}
	}
	return tail(l.live(l.rows[:end]), n), nil
}

// Newest implements Snapshot.
func (l *List) Newest(n int) ([]Notification, error) { return tail(l.live(l.rows), n), nil }

// All implements Snapshot.
func (l *List) All() ([]Notification, error) { return l.live(l.rows), nil }

// Find implements Snapshot.
func (l *List) Find(id string) (Key, bool, error) {
	for _, n := range l.rows {
		if n.ID == id {
			return n.Key, true, nil
		}
	}
	return Key{}, false, nil
}

func (l *List) span(from int64, to Key) []Notification {
	start := sort.Search(len(l.rows), func(i int) bool { return l.rows[i].At >= from })
	return l.rows[start:max(start, l.upTo(to))]
}

// upTo is the number of rows at or before k.
func (l *List) upTo(k Key) int {
	return sort.Search(len(l.rows), func(i int) bool { return l.rows[i].Compare(k) > 0 })
}

func (l *List) live(rows []Notification) []Notification {
	var live []Notification
	for _, n := range rows {
		if !n.Expired(l.now) {
			live = append(live, n)
		}
	}
	return live
}

func tail(items []Notification, n int) []Notification { return items[max(0, len(items)-n):] }
