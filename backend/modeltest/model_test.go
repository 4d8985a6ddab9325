// Package modeltest lets random histories of an app run against the real cursor,
// cache, feed and sources in fake time, and holds what the clients are shown to
// what the design promises: nothing is hidden for longer than the bound, nothing
// is skipped, and nothing is sent twice without a reason.
package modeltest

import (
	"flag"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestModelRows(t *testing.T)     { check(t, func(*rapid.T) app { return sqlRows(noTail) }) }
func TestModelCommits(t *testing.T)  { check(t, func(*rapid.T) app { return sqlRows(commitTail) }) }
func TestModelWindow(t *testing.T)   { check(t, func(*rapid.T) app { return sqlRows(windowedTail) }) }
func TestModelUpstream(t *testing.T) { check(t, func(*rapid.T) app { return upstreamRows() }) }

// check runs histories against an app, each in a bubble of its own.
func check(t *testing.T, open func(*rapid.T) app) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t, open(t))
			w.open(t)
			t.Repeat(w.actions())
			w.end(t)
		})
	})
}

// atMost lets rapid make fewer checks where each takes long, unless the command
// line says how many.
func atMost(t *testing.T, checks string) {
	f := flag.Lookup("rapid.checks")
	if before := f.Value.String(); before == f.DefValue {
		f.Value.Set(checks)
		t.Cleanup(func() { f.Value.Set(before) })
	}
}

func seconds(t *rapid.T, low, high int, label string) time.Duration {
	return time.Duration(rapid.IntRange(low, high).Draw(t, label)) * time.Second
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		// What the app does.
		"item":    func(t *rapid.T) { w.write(t, 0, 1, 0) },
		"tie":     func(t *rapid.T) { w.write(t, 0, rapid.IntRange(2, 5).Draw(t, "items"), 0) },
		"burst":   func(t *rapid.T) { w.write(t, 0, rapid.IntRange(20, 150).Draw(t, "items"), 0) },
		"expires": func(t *rapid.T) { w.write(t, 0, 1, seconds(t, 1, 90, "s")) },
		"late":    func(t *rapid.T) { w.write(t, w.lateness(t), rapid.IntRange(1, 3).Draw(t, "items"), 0) },
		"ahead":   func(t *rapid.T) { w.write(t, -seconds(t, 1, 4, "s"), 1, 0) },
		"delete":  w.delete,
		"replace": w.replace,

		// What the clients do.
		"poll":       w.poll,
		"poll again": w.poll,
		"all poll":   w.allPoll,
		"go back":    w.goBack,
		"bare id":    w.bareID,
		"stranger":   w.stranger,
		"anew": func(t *rapid.T) {
			if c := w.idle(t); c != nil {
				c.after = rapid.SampledFrom([]string{"", "0"}).Draw(t, "after")
				c.mind = mind{after: c.after, at: time.Now(), known: map[*item]bool{}}
				w.polls(t, c, w.gateway(t), anyLimit.Draw(t, "limit"))
			}
		},

		// Time, and what goes wrong.
		"wait": func(t *rapid.T) {
			w.wait(t, time.Duration(rapid.IntRange(1, 800).Draw(t, "10 ms"))*10*time.Millisecond)
		},
		"wait long":  func(t *rapid.T) { w.wait(t, seconds(t, 10, 200, "s")) },
		"slow read":  w.slowRead,
		"change":     w.changeDuringRead,
		"tail":       w.shakeTail,
		"cache lost": w.shakeCache,
		"restart":    func(t *rapid.T) { w.restart(w.gateway(t).number) },
		"night":      w.night,
	}
}

func (w *world) gateway(t *rapid.T) *gateway {
	return w.gateways[rapid.IntRange(0, len(w.gateways)-1).Draw(t, "gateway")]
}

// idle is a client that waits for no answer; nil if the one drawn does.
func (w *world) idle(t *rapid.T) *client {
	c := w.clients[rapid.IntRange(0, len(w.clients)-1).Draw(t, "client")]
	if c.under != nil {
		return nil
	}
	return c
}

// lateness is how long after its created_at a row becomes visible: within the
// look-back, less what a writer's clock may be ahead of the others.
func (w *world) lateness(t *rapid.T) time.Duration {
	return seconds(t, 1, int(w.is.lookBack/time.Second)-6, "late by s")
}

func (w *world) write(t *rapid.T, ago time.Duration, count int, expires time.Duration) {
	if w.orderly && ago != 0 {
		ago = 0
	}
	user := rapid.SampledFrom(users).Draw(t, "user")
	var rows []*item
	for range min(count, w.is.capacity-len(w.items)) {
		rows = append(rows, w.row(user, ago, expires))
	}
	if len(rows) > 0 {
		w.commit(t, rows...)
	}
}

// present draws a row that is there; nil if there is none, or rows have to stay.
func (w *world) present(t *rapid.T) *item {
	var there []*item
	for _, i := range w.items {
		if i.gone.IsZero() {
			there = append(there, i)
		}
	}
	if len(there) == 0 || w.orderly {
		return nil
	}
	return there[len(there)-1-rapid.IntRange(0, min(len(there)-1, 30)).Draw(t, "back")]
}

func (w *world) delete(t *rapid.T) {
	if i := w.present(t); i != nil {
		w.leave(i)
		w.app.remove(i.user, i.ID)
	}
}

// replace writes a row anew under its id, with another created_at.
func (w *world) replace(t *rapid.T) {
	i := w.present(t)
	if i == nil || len(w.items) >= w.is.capacity {
		return
	}
	next := w.row(i.user, w.lateness(t)-time.Second, 0)
	next.ID = i.ID
	if w.byKey[next.Key] != nil {
		w.items = w.items[:len(w.items)-1] // it was there before
		return
	}
	w.leave(i)
	w.commit(t, next)
}

func (w *world) poll(t *rapid.T) {
	if c := w.idle(t); c != nil {
		w.polls(t, c, w.gateway(t), anyLimit.Draw(t, "limit"))
	}
}

// allPoll is what happens most of the time: everybody polls, again and again.
func (w *world) allPoll(t *rapid.T) {
	every := seconds(t, 1, 7, "every s")
	first := rapid.IntRange(0, len(w.gateways)-1).Draw(t, "gateway")
	for range rapid.IntRange(1, 12).Draw(t, "times") {
		for n, c := range w.clients {
			w.polls(t, c, w.gateways[(first+n)%len(w.gateways)], 100)
		}
		w.wait(t, every)
	}
}

// goBack takes up an older cursor: an answer got lost, or a tab was restored.
func (w *world) goBack(t *rapid.T) {
	c := w.idle(t)
	if c == nil || len(c.past) == 0 {
		return
	}
	n := len(c.past) - 1 - rapid.IntRange(0, len(c.past)-1).Draw(t, "back")
	c.mind, c.past = c.past[n], c.past[:n]
	w.polls(t, c, w.gateway(t), anyLimit.Draw(t, "limit"))
}

// bareID sends the id of an item that the client was shown, as the guide's does.
func (w *world) bareID(t *rapid.T) {
	c := w.idle(t)
	if c == nil {
		return
	}
	var shown []*item
	for _, i := range w.items {
		if c.known[i] {
			shown = append(shown, i)
		}
	}
	if len(shown) == 0 {
		return
	}
	c.after = shown[len(shown)-1-rapid.IntRange(0, min(5, len(shown)-1)).Draw(t, "back")].ID
	w.polls(t, c, w.gateway(t), anyLimit.Draw(t, "limit"))
}

// stranger sends what another user was given.
func (w *world) stranger(t *rapid.T) {
	c := w.idle(t)
	if c == nil {
		return
	}
	for _, other := range w.clients {
		if other.user != c.user && !w.issued[c.user][other.after] {
			c.after = other.after
			w.polls(t, c, w.gateway(t), anyLimit.Draw(t, "limit"))
			return
		}
	}
}

// slowRead lets a client poll whose read takes long, or fails; the client may not
// wait for it.
func (w *world) slowRead(t *rapid.T) {
	c := w.idle(t)
	if c == nil {
		return
	}
	g := w.gateway(t)
	own := time.Duration(c.number+1) * 10 * time.Microsecond // not at the moment of something else
	before := time.Duration(rapid.IntRange(0, 500).Draw(t, "10 ms before"))*10*time.Millisecond + own
	after := time.Duration(rapid.IntRange(0, 900).Draw(t, "10 ms after"))*10*time.Millisecond + 10*own
	g.source.next(before, after, rapid.IntRange(0, 9).Draw(t, "fails") == 9)
	give := time.Duration(0)
	if rapid.IntRange(0, 4).Draw(t, "gives up") == 4 {
		give = seconds(t, 1, 10, "s") + time.Millisecond
	}
	w.ask(c, g, anyLimit.Draw(t, "limit"), give)
	if rapid.Bool().Draw(t, "has seen the data") {
		w.wait(t, before.Truncate(10*time.Millisecond)+10*time.Millisecond)
	}
	w.settle(t)
}

// changeDuringRead is the case that all fences are for: something becomes visible
// after a read has seen the data and before it is stored; then somebody else asks.
func (w *world) changeDuringRead(t *rapid.T) {
	c, g := w.clients[rapid.IntRange(0, len(w.clients)-1).Draw(t, "client")], w.gateway(t)
	for _, each := range w.clients { // those of one user are at one place
		w.polls(t, each, g, 100)
	}
	if c.under != nil {
		return
	}
	g.evict(w.ctx)
	if w.shared != nil {
		w.shared.evict()
	}
	own := time.Duration(c.number+1) * 10 * time.Microsecond
	g.source.next(own, seconds(t, 0, 9, "read takes s")+10*own, false)
	w.ask(c, g, 100, 0)
	w.wait(t, 10*time.Millisecond)
	w.write(t, 0, 1, 0)
	w.wait(t, seconds(t, 0, 9, "s"))
	for _, each := range w.clients {
		w.polls(t, each, w.gateway(t), 100)
	}
}

func (w *world) shakeTail(t *rapid.T) {
	g := w.gateway(t)
	if g.tail == nil {
		return
	}
	switch rapid.IntRange(0, 3).Draw(t, "trouble") {
	case 0:
		g.tail.become(tailState{})
	case 1:
		g.tail.become(tailState{fails: true})
	case 2:
		g.tail.become(tailState{hangs: true})
	case 3:
		g.tail.become(tailState{
			before: time.Duration(rapid.IntRange(0, 200).Draw(t, "10 ms before")) * 10 * time.Millisecond,
			after:  time.Duration(rapid.IntRange(0, 400).Draw(t, "10 ms after")) * 10 * time.Millisecond,
		})
	}
}

func (w *world) shakeCache(t *rapid.T) {
	if w.shared == nil {
		w.gateway(t).evict(w.ctx)
		return
	}
	switch rapid.IntRange(0, 5).Draw(t, "trouble") {
	case 0:
		w.gateway(t).evict(w.ctx)
	case 1:
		w.shared.evict()
	case 2:
		w.shared.replicate()
	case 3:
		// A clock that is put back makes what is stored younger than nothing; it must
		// not catch up within a run.
		w.shared.promote(rapid.SampledFrom([]time.Duration{0, time.Minute, -30 * 24 * time.Hour}).Draw(t, "step"))
	case 4:
		w.shared.reach(true)
	case 5:
		w.shared.reach(false)
	}
}

// night is longer than the look-back, and gateways that are started anew after it.
func (w *world) night(t *rapid.T) {
	w.wait(t, 10*time.Second) // for what is under way
	for _, g := range w.gateways {
		g.stop()
	}
	time.Sleep(w.is.lookBack + seconds(t, -60, 60, "s"))
	for n := range w.gateways {
		w.start(n)
	}
	w.settle(t)
}
