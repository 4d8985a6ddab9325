package shadow

import (
	"sync"
	"time"

	"sluice/backend"
)

// mostUnread is how many deliveries of a user's streams are put aside until their
// poller sees them.
const mostUnread = 1000

// delivery is an item that went by on a stream.
type delivery struct {
	item
	at time.Time
}

// streams are those of one user, and what they have told. Its methods never wait.
type streams struct {
	observer Observer
	news     chan struct{} // holds a value when there is something to take

	mu      sync.Mutex
	caller  backend.Caller // of the latest stream
	expires time.Time
	open    map[*Stream]bool
	left    time.Time // when the last one ended
	unread  []delivery
	lost    bool // there were more
}

// Stream is one passing stream. It is a compat.Listener.
type Stream struct {
	all    *streams
	opened time.Time
	heard  time.Time // by all.mu
}

func (a *streams) enter(c backend.Caller, expires time.Time) *Stream {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &Stream{all: a, opened: time.Now()}
	a.caller, a.expires = c, expires
	a.open[s] = true
	a.observer.StreamOpened()
	return s
}

// Heard notes that a piece of the stream went by, with these items in it.
func (s *Stream) Heard(items []backend.Key) {
	a, now := s.all, time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	s.heard = now
	for _, k := range items {
		if a.lost = a.lost || len(a.unread) >= mostUnread; a.lost {
			break
		}
		a.unread = append(a.unread, delivery{itemOf(k), now})
	}
	if len(items) > 0 {
		select {
		case a.news <- struct{}{}:
		default:
		}
	}
}

// Ended notes the stream's end.
func (s *Stream) Ended() {
	a := s.all
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[s] {
		delete(a.open, s)
		a.left = time.Now()
		a.observer.StreamClosed()
	}
}

// take returns what the streams have told since the last time; whole is false if
// some of it is lost.
func (a *streams) take() (told []delivery, whole bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	told, whole = a.unread, !a.lost
	a.unread, a.lost = nil, false
	return told, whole
}

// who is on whose behalf the streams are read; false when their credential is over.
func (a *streams) who() (backend.Caller, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.caller, time.Now().Before(a.expires)
}

// ended is when the last stream did; false while there is one.
func (a *streams) ended() (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left, len(a.open) == 0
}

// hadChance tells whether a stream was past its beginning at a moment, is still open,
// and was heard from at a later one.
func (a *streams) hadChance(from, until time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.open {
		if !s.opened.Add(round).After(from) && !s.heard.Before(until) {
			return true
		}
	}
	return false
}
