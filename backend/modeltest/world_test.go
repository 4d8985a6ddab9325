package modeltest

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/backend"
)

// item is one version of a row: replaced under its id, it is another.
type item struct {
	backend.Notification
	user    string
	visible time.Time   // since when
	gone    time.Time   // deleted or replaced; zero: it is there
	told    map[int]int // by gateway: since which step it has heard of it
}

// world is the app, the gateways and the clients, and the account of what is true.
type world struct {
	ctx      context.Context
	app      app
	is       traits
	rest     func()           // lets happen what happens by itself
	lost     func() time.Time // when the shared cache last lost news of a change
	shared   *shared          // nil: none
	gateways []*gateway
	clients  []*client
	signals  bool // the app signals changes, if not all of them
	orderly  bool // rows become visible in their order, and stay
	pending  []signal
	steps    int

	items     []*item
	byKey     map[backend.Key]*item
	issued    map[string]map[string]bool // the cursors each user was given
	made      map[string]int             // rows of each user
	top       map[string]backend.Key     // the highest of each user
	disturbed map[string]time.Time       // when rows last came or went behind it
}

// signal is one on its way.
type signal struct {
	due     time.Time
	gateway int
	user    string
}

var users = []string{"alice", "bob"}

func newWorld(t *rapid.T, a app) *world {
	w := &world{
		ctx: t.Context(), app: a, is: a.traits(), rest: synctest.Wait,
		byKey: map[backend.Key]*item{}, issued: map[string]map[string]bool{},
		made: map[string]int{}, top: map[string]backend.Key{}, disturbed: map[string]time.Time{},
	}
	for _, user := range users {
		w.issued[user] = map[string]bool{"": true, "0": true}
	}
	for n, user := range []string{"alice", "alice", "bob"} {
		w.clients = append(w.clients, &client{number: n, user: user, mind: mind{known: map[*item]bool{}}})
	}
	return w
}

// open draws what stands before the app, and starts it. Everything that happens
// by itself happens at moments of its own, so that a run can be repeated.
func (w *world) open(t *rapid.T) {
	w.signals = rapid.Bool().Draw(t, "signals")
	w.orderly = rapid.IntRange(0, 3).Draw(t, "orderly") == 3
	gateways := rapid.IntRange(1, 3).Draw(t, "gateways")
	if rapid.Bool().Draw(t, "shared cache") {
		w.shared = newShared(time.Duration(rapid.IntRange(-5, 5).Draw(t, "skew")) * time.Minute)
	}
	w.lost = w.shared.lastLoss
	w.gateways = make([]*gateway, gateways)
	for n := range w.gateways {
		w.start(n)
	}
	t.Cleanup(func() {
		for _, g := range w.gateways {
			g.stop()
		}
	})
}

// start starts a gateway at a moment of its own within 10 ms; reads end at moments
// of their client within 1 ms, and all else happens at multiples of 10 ms.
func (w *world) start(n int) {
	own := time.Duration(3+n) * time.Millisecond
	time.Sleep(own)
	w.gateways[n] = newGateway(n, w.app, w.shared)
	synctest.Wait()
	time.Sleep(10*time.Millisecond - own)
}

func (w *world) restart(n int) {
	w.gateways[n].stop()
	w.start(n)
}

// step numbers what happens: more than one thing may happen at a moment.
func (w *world) step() int {
	w.steps++
	return w.steps
}

// byID are all versions of a row.
func (w *world) byID(user, id string) (versions []*item) {
	for _, i := range w.items {
		if i.user == user && i.ID == id {
			versions = append(versions, i)
		}
	}
	return versions
}

// id is one that was not there before: in no order, unless the world is orderly;
// half of them are UUIDs.
func (w *world) id() string {
	n := len(w.items)
	if w.orderly {
		return fmt.Sprintf("%06d", n)
	}
	h := fnv.New32a()
	fmt.Fprint(h, n)
	if n%2 == 0 {
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", h.Sum32(), n)
	}
	return fmt.Sprintf("%x.%d", h.Sum32(), n)
}

// row is a new row, created before now; ago may be negative.
func (w *world) row(user string, ago time.Duration, expires time.Duration) *item {
	i := &item{user: user, told: map[int]int{}}
	i.ID, i.Title, i.Context = w.id(), user, []byte("{}")
	i.At = time.Now().Add(-ago).Truncate(time.Second).UnixMicro()
	if expires > 0 {
		i.ExpiresAt = time.Now().Add(expires).Truncate(time.Second)
	}
	w.items = append(w.items, i)
	return i
}

// commit makes rows of one user visible, and lets the gateways hear of it or not.
func (w *world) commit(t *rapid.T, rows ...*item) {
	user, now := rows[0].user, time.Now()
	var all []backend.Notification
	for _, i := range rows {
		i.visible = now
		w.byKey[i.Key] = i
		w.made[user]++
		if i.Compare(w.top[user]) < 0 {
			w.disturbed[user] = now
		} else {
			w.top[user] = i.Key
		}
		all = append(all, i.Notification)
	}
	w.app.commit(user, all)
	w.signal(t, user)
}

// leave takes a row out of the account.
func (w *world) leave(i *item) { i.gone, w.disturbed[i.user] = time.Now(), time.Now() }

func (w *world) signal(t *rapid.T, user string) {
	if !w.signals {
		return
	}
	for n := range w.gateways {
		switch rapid.IntRange(0, 2).Draw(t, "signal") {
		case 0: // lost
		case 1:
			w.hear(n, user)
		case 2:
			late := time.Duration(rapid.IntRange(1, 500).Draw(t, "late by 10 ms")) * 10 * time.Millisecond
			w.pending = append(w.pending, signal{time.Now().Add(late), n, user})
		}
	}
}

func (w *world) hear(n int, user string) {
	g := w.gateways[n]
	g.signalled = time.Now()
	g.feed.Signal(w.ctx, user)
	w.told(n, user, func(*item) bool { return true })
}

// told notes that a gateway has heard of those rows of a user that are visible.
func (w *world) told(n int, user string, which func(*item) bool) {
	for _, i := range w.items {
		if _, told := i.told[n]; !told && i.user == user && which(i) {
			i.told[n] = w.step()
		}
	}
}

// wait lets time pass, a multiple of 10 ms: late signals arrive, and answers.
func (w *world) wait(t *rapid.T, d time.Duration) {
	end := time.Now().Add(d)
	slices.SortStableFunc(w.pending, func(a, b signal) int { return a.due.Compare(b.due) })
	for len(w.pending) > 0 && !w.pending[0].due.After(end) {
		s := w.pending[0]
		w.pending = w.pending[1:]
		time.Sleep(time.Until(s.due))
		synctest.Wait()
		w.hear(s.gateway, s.user)
	}
	time.Sleep(time.Until(end))
	w.settle(t)
}

// settle hands out the answers that are there.
func (w *world) settle(t *rapid.T) {
	w.rest()
	for _, c := range w.clients {
		w.take(t, c)
	}
}

// polls is one poll of a client, if it waits for none.
func (w *world) polls(t *rapid.T, c *client, g *gateway, limit int) {
	if c.under == nil {
		w.ask(c, g, limit, 0)
	}
	w.settle(t)
}

// end lets everything come to rest.
func (w *world) end(t *rapid.T) {
	if w.shared != nil {
		w.shared.reach(false)
	}
	for _, g := range w.gateways {
		if g.tail != nil {
			g.tail.become(tailState{})
		}
		g.source.next(0, 0, false)
	}
	w.wait(t, 2*time.Minute)
	w.drain(t)
}

// drain checks that each client gets what it is owed in a bounded number of
// polls, and then nothing more.
func (w *world) drain(t *rapid.T) {
	for _, c := range w.clients {
		if c.under != nil {
			t.Fatal("a poll does not end")
		}
		g := w.gateways[rapid.IntRange(0, len(w.gateways)-1).Draw(t, "gateway")]
		limit := anyLimit.Draw(t, "limit")
		for left := len(w.items)/limit + 3; ; left-- {
			w.polls(t, c, g, limit)
			if !c.last.More {
				break
			}
			if left == 0 {
				t.Fatal("a drain does not end")
			}
		}
		// One gateway may know of a deletion that the tail of another could not name.
		for _, g := range w.gateways {
			w.polls(t, c, g, limit)
			w.checkRest(t, c, g, c.last.Check == backend.CheckLate)
		}
		for _, g := range w.gateways {
			w.polls(t, c, g, limit)
			w.checkRest(t, c, g, false)
		}
	}
}

func (w *world) checkRest(t *rapid.T, c *client, g *gateway, mayRepeat bool) {
	switch p := c.last; {
	case g.deaf && p.Reset: // too much for the source, and no time passes in which it would get old
	case p.More, len(p.Items) > p.Repeated, p.Repeated > 0 && !mayRepeat:
		t.Fatalf("%d items again, although nothing happened", len(p.Items))
	}
}

// anyLimit is often the same, so that clients share reads.
var anyLimit = rapid.SampledFrom([]int{1, 2, 3, 10, 100, 100, 100})
