// Package shadow compares what the app's own stream delivers to a user with what
// polling would have delivered: the evidence to move at all.
//
// A virtual poller follows each user in the sample while their streams pass by. It
// polls through the reader that real polls use, caches included, with a place, an
// interval and a memory of its own. An item is its id with its created_at, to the
// second, which is all that the stream tells. Each is judged once:
//
//   - fine, if both sides have delivered it;
//   - missed, if the stream delivered it and polling did not;
//   - extra, if polling delivered it and the stream did not;
//   - inconclusive, whenever it cannot be told. Doubt never counts as missed or extra.
//
// All verdicts wait for the settling time, so that what the stream delivered together
// is counted together: a rollout's check cannot pass before the first miss shows.
//
// # The beginning
//
// A stream begins with the newest items, whatever their age. So the first poll, which
// asks for the newest page, is made when the stream has been open for a round of the
// app; what either side has delivered up to then is known, and not compared. Nor is
// what is not newer than the oldest item of that page: late repeats, and the beginning
// of another tab's stream, may reach further back than any memory.
//
// # Missed
//
// The verdict is given by the first poll that begins when the settling time is over
// after the stream's delivery, and succeeds. Then the store is looked at past the
// cache. An item that is there was withheld by cache or cursor: missed. One that has
// expired, which polls leave out by design, or has another created_at by now, is
// inconclusive. One that is not there was deleted, unless a look right after the
// stream's delivery did not find it either: then the store never had what the app
// has, and it is missed too. What the app deletes in the moment before that look,
// usually milliseconds, is taken for missed; nothing tells it apart.
//
// # Extra
//
// The stream must have had its chance: one and the same stream was past its beginning
// when the poller last read the store without the item, and was heard from, if
// only by a heartbeat, when the settling time after the poll's delivery was over. And
// the item is still there by then. Cuts, reconnects, a hanging app, items that are gone
// before the stream's next round, and tabs that come and go are inconclusive.
//
// # Tabs and reconnects
//
// All streams of a user are one: an item that any of them delivered was delivered,
// once, however often it is repeated. The poller stays for a settling time after the
// last one has ended, so a page that reconnects goes on where it was; what came
// in between counts only if both sides delivered it.
//
// # Bounds
//
// A gateway follows at most 100 users, and reads for 8 of them at a time. A poller
// remembers 500 items; what is older than these is not compared. A place that could
// not be kept (a reset), more pages or events than can be followed, begin anew.
// The streams never wait: what they tell is put aside in memory.
package shadow

import (
	"context"
	"sync"
	"time"

	"sluice/backend"
)

// Options of a Shadow. All durations are positive.
type Options struct {
	Polls    backend.Source       // what real polls read
	Store    backend.Source       // the same past the cache, which looks must not refresh
	Interval func() time.Duration // between two polls; it may change
	Limit    int                  // items in a page
	// Settle is how long one side may be behind the other. It must be longer than
	// polls may hide an item by design.
	Settle   time.Duration
	Observer Observer
}

// Observer is told what was found. Its methods are called from many goroutines.
type Observer interface {
	StreamOpened() // a stream is followed
	StreamClosed()
	// Compared tells that both sides have delivered an item, polling so much later;
	// negative if it was first.
	Compared(lateness time.Duration)
	// Missed tells that polling would not have delivered an item. stored says that the
	// store has it.
	Missed(user, id string, stored bool)
	Extra(user, id string)
	Inconclusive(Reason)
}

// Reason is why an item could not be judged.
type Reason string

// The reasons.
const (
	StreamEnded Reason = "stream_ended" // no stream was open and heard from for all of the time
	ReadFailed  Reason = "read_failed"  // polls or looks failed, or came too late
	Gone        Reason = "gone"         // deleted before the verdict
	Changed     Reason = "changed"      // expired, so polls leave it out by design, or replaced under its id
	OutOfReach  Reason = "out_of_reach" // older than what the store shows
	TooMany     Reason = "too_many"     // more than can be followed
	Stopped     Reason = "stopped"      // the gateway ends, before the settling time did
)

// Reasons lists all of them.
var Reasons = []Reason{StreamEnded, ReadFailed, Gone, Changed, OutOfReach, TooMany, Stopped}

const (
	// round is how often the app's stream looks for what is new.
	round = 5 * time.Second
	// most is how many users are followed.
	most = 100
	// reads is how many of them read at a time: a source that hangs keeps most of its
	// places for real polls.
	reads = 8
)

// Shadow follows users. It is safe for concurrent use.
type Shadow struct {
	Options
	slots chan struct{}
	ctx   context.Context // ends with Close
	end   context.CancelFunc
	group sync.WaitGroup

	mu      sync.Mutex
	pollers map[string]*poller
}

// New prepares a shadow; Close ends it.
func New(o Options) *Shadow {
	s := &Shadow{Options: o, slots: make(chan struct{}, reads), pollers: map[string]*poller{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Close ends all comparing; what is not judged yet is inconclusive.
func (s *Shadow) Close() {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.group.Wait()
}

// Enter follows a stream of a verified caller, whose credential is good until
// expires. It is nil if there are too many already, or after Close.
func (s *Shadow) Enter(c backend.Caller, expires time.Time) *Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pollers[c.User]
	if s.ctx.Err() != nil || p == nil && len(s.pollers) >= most {
		return nil
	}
	if p == nil {
		p = newPoller(s, c.User)
		s.pollers[c.User] = p
		s.group.Go(func() { p.run(s.ctx) })
	}
	return p.enter(c, expires)
}

// leave forgets a poller, unless it has become needed again.
func (s *Shadow) leave(user string, unneeded func() bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !unneeded() {
		return false
	}
	delete(s.pollers, user)
	return true
}
