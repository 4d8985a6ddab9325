package shadow

import (
	"slices"
	"sync"
	"time"

	"sluice/backend"
)

// legacy is the app's own stream, with its bugs, over the rows of a store. What it
// knows of each item is what the model judges by.
type legacy struct {
	*store
	visible   map[item]time.Time // when the row was committed
	streamed  map[item]time.Time // when any tab was sent it first
	deleted   map[item]time.Time
	concealed map[string]bool // ids that the source has ever hidden
	lost      map[string]bool // ids that no tab is ever sent
	tabs      []*tab          // that were ever open
}

func newLegacy(s *store) *legacy {
	return &legacy{
		store: s, visible: map[item]time.Time{}, streamed: map[item]time.Time{}, deleted: map[item]time.Time{},
		concealed: map[string]bool{}, lost: map[string]bool{},
	}
}

// create commits rows with this age.
func (l *legacy) create(ago time.Duration, ids ...string) {
	for _, id := range ids {
		l.destroy(id)
	}
	l.add(ago, ids...)
	for _, k := range l.keys(ids...) {
		l.change(func() { l.visible[itemOf(k)] = time.Now() })
	}
}

func (l *legacy) destroy(id string) {
	for _, k := range l.keys(id) {
		l.change(func() { l.deleted[itemOf(k)] = time.Now() })
	}
	l.remove(id)
}

// list is a round's: the newest 20 after the row called after, newest first. A row
// that is not there is no cursor.
func (l *legacy) list(after string) (list []backend.Key) {
	var from backend.Key
	l.change(func() {
		for _, n := range l.rows {
			if n.ID == after {
				from = n.Key
			}
		}
		for _, n := range l.rows {
			if n.Compare(from) > 0 {
				list = append(list, n.Key)
			}
		}
	})
	slices.SortFunc(list, func(a, b backend.Key) int { return b.Compare(a) })
	return list[:min(20, len(list))]
}

// tab is one stream of the app as a shadow hears it.
type tab struct {
	app     *legacy
	stream  *Stream
	opened  time.Time
	stop    chan struct{}
	stopped sync.WaitGroup

	// By the store's mutex.
	hangs  bool
	drop   int       // so many of the next events are lost
	cut    int       // so many more events, and the connection is cut; 0: never
	rounds time.Time // when the last one began
}

// open opens a stream, which is followed if the shadow wants to.
func (l *legacy) open(s *Shadow) *tab {
	t := &tab{app: l, stream: s.Enter(alice, time.Now().Add(1000*time.Hour)), opened: time.Now(), stop: make(chan struct{})}
	l.change(func() { l.tabs = append(l.tabs, t) })
	t.stopped.Go(t.serve)
	return t
}

func (t *tab) close() {
	close(t.stop)
	t.stopped.Wait()
}

func (t *tab) serve() {
	defer t.stream.Ended()
	cursor, ok := "", true
	for ok {
		if cursor, ok = t.round(cursor); !ok {
			return
		}
		select {
		case <-time.After(round):
		case <-t.stop:
			return
		}
	}
}

// round sends what is new, or a heartbeat. It goes on after the oldest, as the app
// does. A false means that the connection is cut.
func (t *tab) round(cursor string) (string, bool) {
	var hangs bool
	t.app.change(func() { hangs = t.hangs })
	if hangs {
		return cursor, true
	}
	t.app.change(func() { t.rounds = time.Now() })
	list := t.app.list(cursor)
	if len(list) == 0 {
		t.stream.Heard(nil)
		return cursor, true
	}
	for _, k := range list {
		if !t.send(k) {
			return "", false
		}
	}
	return list[len(list)-1].ID, true
}

func (t *tab) send(k backend.Key) (whole bool) {
	sent := true
	whole = true
	t.app.change(func() {
		if t.cut > 0 {
			t.cut--
			whole = t.cut > 0
		}
		if t.app.lost[k.ID] || t.drop > 0 {
			t.drop = max(0, t.drop-1)
			sent = false
		}
		if _, before := t.app.streamed[itemOf(k)]; whole && sent && !before {
			t.app.streamed[itemOf(k)] = time.Now()
		}
	})
	switch {
	case !whole:
	case sent:
		t.stream.Heard([]backend.Key{k})
	default:
		t.stream.Heard(nil)
	}
	return whole
}
