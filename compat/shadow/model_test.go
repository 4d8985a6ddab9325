package shadow

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// judge is an Observer that knows what really happened.
type judge struct {
	tally
	t      *rapid.T
	app    *legacy
	faulty func() bool // the cache
	wrong  string      // the first false verdict; rapid must not be told by another goroutine
}

func (j *judge) Missed(user, id string, stored bool) {
	j.tally.Missed(user, id, stored)
	j.app.change(func() {
		excused := j.app.concealed[id] || stored && j.faulty()
		for i, at := range j.app.streamed {
			gone, deleted := j.app.deleted[i]
			// What is deleted before the look is over is taken for missed.
			excused = excused || i.id == id && deleted && !stored && gone.Sub(at) <= prompt
		}
		if !excused {
			j.say("%s is not missed (stored: %t)", id, stored)
		}
	})
}

// Extra expects that a tab which was there before the item had rounds for a settling
// time after it, and that no tab was ever sent it.
func (j *judge) Extra(user, id string) {
	j.tally.Extra(user, id)
	j.app.change(func() {
		for i := range j.app.streamed {
			if i.id == id {
				j.say("%s is not extra: it was streamed", id)
			}
		}
		var visible time.Time
		for _, n := range j.app.rows {
			if n.ID == id {
				visible = j.app.visible[itemOf(n.Key)]
			}
		}
		chance := func(t *tab) bool { return t.opened.Before(visible) && t.rounds.Sub(visible) >= settle }
		if visible.IsZero() || !slices.ContainsFunc(j.app.tabs, chance) {
			j.say("%s of %s is not extra: the stream had no chance", id, visible.Format(time.TimeOnly))
		}
	})
}

func (j *judge) say(format string, args ...any) {
	if j.wrong == "" {
		j.wrong = fmt.Sprintf(time.Now().Format(time.TimeOnly)+": "+format, args...)
	}
}

// TestModel plays a random app before a shadow: items that tie, come late, in bursts,
// expire, are replaced and deleted; a stream that repeats, loses, hangs and is cut,
// in several tabs; a source that fails, hangs and hides rows, and a cache that hides
// all. Whatever happens, nothing is called missed or extra that is not. In the calm
// afterwards one of each is found.
func TestModel(t *testing.T) {
	for name, newest := range map[string]int{"a database": 0, "the app's endpoint": 100} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				rapid.SyncTest(t, func(t *rapid.T) { play(t, newest) })
			})
		})
	}
}

func play(t *rapid.T, newest int) {
	faulty := rapid.IntRange(0, 3).Draw(t, "faulty cache") == 0
	w := newWorld(nil)
	w.newest = newest
	app := newLegacy(w.store)
	var tabs []*tab
	j := &judge{t: t, app: app, faulty: func() bool { return faulty }}
	w.shadow.Observer = j
	if faulty {
		w.change(func() { w.bound = 10 * time.Minute })
	}
	n := 0
	ids := func(count int) (ids []string) {
		for range count {
			n++
			ids = append(ids, fmt.Sprintf("%05d", (n*7919)%100000))
		}
		return ids
	}
	add := func(t *rapid.T, count int, ago time.Duration) {
		added := ids(count)
		if rapid.IntRange(0, 9).Draw(t, "hidden") == 0 {
			w.change(func() { w.hidden[added[0]], app.concealed[added[0]] = true, true })
		}
		app.create(ago, added...)
	}
	pick := func(t *rapid.T) (id string) {
		rows := app.list("")
		if len(rows) == 0 {
			t.Skip()
		}
		return rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")].ID
	}
	someTab := func(t *rapid.T) (int, *tab) {
		if len(tabs) == 0 {
			t.Skip()
		}
		i := rapid.IntRange(0, len(tabs)-1).Draw(t, "tab")
		return i, tabs[i]
	}
	wait := func(seconds int) { time.Sleep(time.Duration(seconds) * time.Second) }
	closeTab := func(i int) {
		tabs[i].close()
		tabs = slices.Delete(tabs, i, i+1)
	}
	openTab := func() {
		if len(tabs) < 3 {
			tabs = append(tabs, app.open(w.shadow))
		}
	}
	defer func() { // also when rapid gives up in the middle
		for len(tabs) > 0 {
			closeTab(0)
		}
		w.shadow.Close()
	}()
	openTab()
	t.Repeat(map[string]func(*rapid.T){
		"item":    func(t *rapid.T) { add(t, 1, time.Duration(rapid.IntRange(0, 3).Draw(t, "s"))*time.Second) },
		"burst":   func(t *rapid.T) { add(t, rapid.IntRange(2, 40).Draw(t, "items"), 0) },
		"late":    func(t *rapid.T) { add(t, 1, time.Duration(rapid.IntRange(1, 50).Draw(t, "s"))*time.Second) },
		"delete":  func(t *rapid.T) { app.destroy(pick(t)) },
		"replace": func(t *rapid.T) { app.create(0, pick(t)) },
		"expire": func(t *rapid.T) {
			w.expire(pick(t), time.Duration(rapid.IntRange(0, 60).Draw(t, "s"))*time.Second)
		},
		"wait":      func(t *rapid.T) { wait(rapid.IntRange(1, 60).Draw(t, "s")) },
		"wait more": func(t *rapid.T) { wait(rapid.IntRange(60, 200).Draw(t, "s")) },
		"open":      func(*rapid.T) { openTab() },
		"leave":     func(t *rapid.T) { i, _ := someTab(t); closeTab(i) },
		"reconnect": func(t *rapid.T) {
			i, _ := someTab(t)
			closeTab(i)
			wait(rapid.IntRange(1, 30).Draw(t, "s"))
			openTab()
		},
		"cut": func(t *rapid.T) {
			_, one := someTab(t)
			app.change(func() { one.cut = rapid.IntRange(1, 10).Draw(t, "after") })
		},
		"lose": func(t *rapid.T) {
			_, one := someTab(t)
			app.change(func() { one.drop = rapid.IntRange(1, 30).Draw(t, "events") })
		},
		"hang": func(t *rapid.T) { _, one := someTab(t); app.change(func() { one.hangs = !one.hangs }) },
		"fail": func(*rapid.T) {
			w.change(func() { w.err = map[bool]error{true: errors.New("down")}[w.err == nil] })
		},
		"slow": func(t *rapid.T) {
			w.change(func() { w.slow = time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond })
		},
		"": func(t *rapid.T) {
			synctest.Wait()
			j.note(func() {})
			app.change(func() {
				if j.wrong != "" {
					t.Fatal(j.wrong)
				}
			})
		},
	})
	for len(tabs) > 0 {
		closeTab(0)
	}
	w.change(func() { w.err, w.slow, w.bound = nil, 0, bound; clear(w.hidden) })
	wait(int(10 * time.Minute / time.Second)) // a poller that nobody needs is gone
	calm(t, w, app, j, openTab)
	if j.wrong != "" {
		t.Fatal(j.wrong)
	}
}

// calm expects one item of each kind to be found, and nothing else.
func calm(t *rapid.T, w *world, app *legacy, j *judge, open func()) {
	open()
	time.Sleep(4 * round)
	var before found
	j.note(func() { before = j.found; before.missed, before.extra = slices.Clone(j.missed), slices.Clone(j.extra) })
	for _, id := range []string{"fine", "lost", "hidden", "also fine"} {
		w.change(func() {
			app.lost[id] = id == "lost"
			w.hidden[id], app.concealed[id] = id == "hidden", id == "hidden"
		})
		app.create(0, id)
		time.Sleep(2 * round)
	}
	time.Sleep(settle + 2*interval)
	synctest.Wait()
	j.note(func() {
		missed, extra, fine := j.missed[len(before.missed):], j.extra[len(before.extra):], len(j.lateness)-len(before.lateness)
		if !slices.Equal(missed, []string{"hidden"}) || !slices.Equal(extra, []string{"lost"}) || fine != 2 {
			t.Errorf("in the calm: %d fine, missed %q, extra %q; inconclusive %v", fine, missed, extra, j.inconclusive)
		}
	})
}
