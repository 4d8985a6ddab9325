package scale

import (
	"math"
	"time"
)

// Habits are what people do, in means. Times between two things that happen are
// exponential.
type Habits struct {
	Browsers float64       // for each user, at least 1
	Use      time.Duration // somebody uses the page for so long,
	Away     time.Duration // and then does not for so long:
	Hidden   float64       // in this share of the cases no tab is visible meanwhile,
	Page     time.Duration // While it is used, a page is loaded so often,
	Switch   time.Duration // and another tab comes to the front so often.
	Item     time.Duration // A user who is there gets an item so often.
}

// Office is people at work with an app of many pages, of whom a third uses it at any
// moment, a third sees it and a third does not.
var Office = Habits{
	Browsers: 1.15, Use: 4 * time.Minute, Away: 8 * time.Minute, Hidden: 0.5,
	Page: 45 * time.Second, Switch: 2 * time.Minute, Item: 15 * time.Minute,
}

type state uint8

const (
	absent state = iota // before and after the session
	used
	idle   // visible, and nobody uses it
	hidden // no tab is visible, and none polls
)

const (
	never   = time.Duration(math.MaxInt64)
	unknown = time.Duration(-1)
)

// tab is what a page keeps for itself; of a browser's two, one is in front and polls
// for both.
type tab struct {
	place    string        // empty: none yet
	knew     time.Duration // when it last knew all there was, or unknown
	earliest time.Duration // no poll before this
	schedule schedule
}

// newTab is a page that was loaded just now, and goes on from a place.
func newTab(now time.Duration, place string) tab {
	return tab{place: place, knew: unknown, schedule: newSchedule(now)}
}

// browser is one browser of a user, from a day's first page to its last. Times are since
// the start of the run.
type browser struct {
	user        int32
	gateway     int32 // where it sticks
	state       state
	asking      bool
	shown       bool // the tab in front was not there for its last wait, so that says nothing
	random      random
	front, back tab
	due         time.Duration // the next poll
	since       time.Duration // the beginning of its use
	turn        time.Duration // when somebody comes or goes
	change      time.Duration // the next page or tab
	end         time.Duration // of the session
}

// alarm is when step is to be called next.
func (b *browser) alarm() time.Duration { return min(b.due, b.turn, b.change, b.end) }

// step lets happen what is due, and tells whether the browser polls now.
func (b *browser) step(now time.Duration, h *Habits) bool {
	if now >= b.end {
		*b = browser{user: b.user, due: never, turn: never, change: never, end: never}
		return false
	}
	if now >= b.turn {
		b.comeOrGo(now, h)
	}
	if now >= b.change {
		b.changePage(now, h)
	}
	return now >= b.due
}

func (b *browser) comeOrGo(now time.Duration, h *Habits) {
	switch b.state {
	case used:
		b.input(now)
		b.state, b.turn, b.change = idle, now+b.random.after(h.Away), never
		if b.random.share() < h.Hidden {
			b.state, b.due = hidden, never
		}
		return
	case absent:
		b.load(now)
	case idle:
		if b.front.schedule.active(now) {
			b.wake(now)
		}
	case hidden:
		b.front.schedule.active(now)
		b.shown = true
		b.wake(now)
	}
	b.state, b.since, b.turn = used, now, now+b.random.after(h.Use)
	b.plan(now, h)
}

// inputEvery is how often a page that is used tells so: client/src/life.ts.
const inputEvery = 10 * time.Second

// input notes the last of what somebody did.
func (b *browser) input(now time.Duration) {
	b.front.schedule.busy = max(b.front.schedule.busy, b.since+(now-b.since).Truncate(inputEvery))
}

// join is a browser that has long been there, as one of them is at any moment, and
// begins to poll now.
func (b *browser) join(now time.Duration, h *Habits) {
	b.state, b.since, b.due, b.end = used, now, now, never
	b.turn = now + b.random.after(h.Use)
	b.front = newTab(now, "")
	b.plan(now, h)
	if b.random.share() < share(h.Use, h.Away) {
		b.turn = now + time.Second // it is not used
	}
}

func (b *browser) wake(now time.Duration) { b.due = max(now, b.front.earliest) }

// load opens a page in the tab in front. It polls at once, from where the tab stood.
func (b *browser) load(now time.Duration) { b.front, b.due = newTab(now, b.front.place), now }

// changePage loads a page, or brings the other tab to the front; that one polls at once,
// from where it stood itself, or the first time where the browser stands.
func (b *browser) changePage(now time.Duration, h *Habits) {
	if b.random.share() < share(h.Page, h.Switch) {
		b.load(now)
	} else {
		if b.back.place == "" {
			b.back = newTab(now, b.front.place)
		}
		b.front, b.back = b.back, b.front
		b.front.schedule.active(now)
		b.shown = true
		b.wake(now)
	}
	b.plan(now, h)
}

// plan decides when the next page or tab is due.
func (b *browser) plan(now time.Duration, h *Habits) {
	b.change = now + b.random.after(time.Duration(1/(1/float64(h.Page)+1/float64(h.Switch))))
}

// share of the first of two things that happen so often.
func share(first, second time.Duration) float64 { return float64(second) / float64(first+second) }

// ask begins a poll.
func (b *browser) ask(now time.Duration) (after string, elapsed time.Duration) {
	b.asking, b.front.earliest, b.due = true, now+minGap, never
	if b.front.knew == unknown {
		return b.front.place, 0
	}
	return b.front.place, (now - b.front.knew).Round(time.Second)
}

// reply is how a poll ended.
type reply struct {
	failed     bool
	retryAfter time.Duration
	items      []time.Time // their created_at
	place      string      // empty: as it was
	more       bool
	interval   time.Duration
}

// answered ends a poll; jitter is at random, in [0, 1).
func (b *browser) answered(now time.Duration, r *reply, jitter float64) {
	b.asking = false
	if b.state == absent || b.state == hidden {
		return
	}
	if r.failed {
		b.front.earliest = max(b.front.earliest, now+r.retryAfter)
		b.due = now + b.front.schedule.backoff(r.retryAfter, jitter)
		return
	}
	b.front.schedule.succeeded()
	b.front.knew, b.shown = now, false
	if r.place != "" {
		b.front.place = r.place
	}
	if len(r.items) > 0 {
		b.front.schedule.active(now)
	}
	if b.state == used {
		b.input(now)
	}
	b.due = now
	if !r.more {
		b.due += b.front.schedule.next(now, r.interval, jitter)
	}
}

// random is a generator of 8 bytes, of which each browser has its own: what one does
// changes nothing for the others (SplitMix64, Steele and others 2014).
type random uint64

// share is in [0, 1).
func (r *random) share() float64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

// after is an exponential time with a mean.
func (r *random) after(mean time.Duration) time.Duration {
	return scaled(mean, -math.Log(1-r.share()))
}

// below is a number in [0, n).
func (r *random) below(n int) int { return int(r.share() * float64(n)) }
