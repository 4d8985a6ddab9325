package compat

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/backend"
)

// oldTab is an old page in small: it connects without an id, waits a second
// after an end, and remembers 200 items.
type oldTab struct {
	stream *open
	read   int             // events taken from the stream
	seen   []string        // the last 200
	shown  map[string]bool // ever
}

func (p *oldTab) take(t *rapid.T, upTo int) {
	synctest.Wait()
	events := readEvents(p.stream.text()).events
	for _, id := range (reading{events: events[p.read:min(upTo, len(events))]}).idsOf() {
		if slices.Contains(p.seen, id) {
			continue
		}
		if p.shown[id] {
			t.Fatalf("%s is shown twice", id)
		}
		p.seen = append(p.seen, id)
		p.seen = p.seen[max(0, len(p.seen)-200):]
		p.shown[id] = true
	}
	p.read = min(upTo, len(events))
}

const everything = 1 << 30

// TestModelOldTab drives one old tab through bounded ends, cuts that swallow what
// was flushed, restarts of the gateway and absences, while items appear in
// order, late and in bursts. Whatever happens, it shows each item once.
func TestModelOldTab(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubble{t}, func(t *rapid.T) {
			s := &rows{}
			b := newBridge(s, &tally{})
			tab := &oldTab{shown: map[string]bool{}}
			tab.stream = connect(b, "")
			synctest.Wait() // its first read: older items need not be shown
			n, recent := 0, []time.Time{}
			add := func(ago time.Duration, count int) {
				// A reconnect gets 100 items at most: more are left to the activity page.
				recent = slices.DeleteFunc(recent, func(at time.Time) bool { return time.Since(at) > time.Hour })
				for range min(count, 90-len(recent)) {
					n++
					s.add(ago, fmt.Sprintf("%05d", (n*7919)%100000))
					recent = append(recent, time.Now())
				}
			}
			reconnect := func(after time.Duration) {
				time.Sleep(after)
				tab.stream, tab.read = connect(b, ""), 0
			}
			t.Repeat(map[string]func(*rapid.T){
				"item":  func(*rapid.T) { add(0, 1) },
				"burst": func(t *rapid.T) { add(0, rapid.IntRange(2, 40).Draw(t, "items")) },
				"late":  func(t *rapid.T) { add(time.Duration(rapid.IntRange(1, 20).Draw(t, "s"))*time.Second, 1) },
				"wait":  func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 60).Draw(t, "s")) * time.Second) },
				"bounded end": func(t *rapid.T) {
					tab.stream.lasted()
					tab.take(t, everything)
					reconnect(time.Second)
				},
				"restart": func(t *rapid.T) {
					b.Drain()
					tab.stream.lasted()
					tab.take(t, everything)
					known := b.options.Browsers
					b = newBridge(s, &tally{})
					b.options.Browsers = known
					reconnect(time.Second)
				},
				"cut": func(t *rapid.T) {
					// Only so much of what was flushed has arrived.
					tab.take(t, tab.read+rapid.IntRange(0, 50).Draw(t, "arrived"))
					time.Sleep(time.Duration(rapid.IntRange(0, 60).Draw(t, "unnoticed")) * time.Second)
					if rapid.Bool().Draw(t, "ends meanwhile") {
						tab.stream.lasted() // we end it, and the end does not arrive
						time.Sleep(proofWithin)
					}
					tab.stream.close()
					reconnect(time.Duration(rapid.IntRange(1, 30).Draw(t, "s")) * time.Second)
				},
				"": func(*rapid.T) {},
			})
			time.Sleep(interval + time.Second)
			tab.take(t, everything)
			for _, row := range s.all {
				if !tab.shown[row.ID] {
					t.Errorf("%s of %s is never shown", row.ID, row.Time().Format(time.TimeOnly))
				}
			}
			tab.stream.close()
		})
	})
}

// TestModelPassThrough lets arbitrary parts of what there is go by on the app's
// stream: what is resumed and what went by together are everything.
func TestModelPassThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubble{t}, func(t *rapid.T) {
			s := &rows{}
			b := newBridge(s, &tally{})
			shown := map[string]bool{}
			r := httptest.NewRequest("GET", "/api/stream", nil)
			for i := range rapid.IntRange(1, 60).Draw(t, "items") {
				id := fmt.Sprintf("%02d", rapid.IntRange(0, 99).Draw(t, "id"))
				if slices.ContainsFunc(s.all, func(n backend.Notification) bool { return n.ID == id }) {
					continue
				}
				s.add(0, id)
				if rapid.IntRange(0, 9).Draw(t, "skipped") > 0 {
					along := b.Along(nopCloser(legacyEvents(s, id)), r, alice, nil)
					drainAll(along)
					shown[id] = true
				}
				if i%3 == 0 {
					time.Sleep(time.Duration(rapid.IntRange(0, 100).Draw(t, "s")) * time.Second)
				}
			}
			time.Sleep(time.Hour)
			place, err := b.Resume(t.Context(), r, alice)
			if err != nil {
				t.Fatal(err)
			}
			if place == "" && len(shown) > 0 {
				t.Fatal("what went by is not remembered")
			}
			p, err := s.Read(t.Context(), alice, backend.Query{After: place, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			repeated := map[string]bool{}
			for _, n := range p.Items {
				repeated[n.ID] = shown[n.ID]
				shown[n.ID] = true
			}
			for _, n := range s.all {
				if !shown[n.ID] {
					t.Errorf("%s is never shown", n.ID)
				}
			}
			if len(p.Items) > 0 && repeated[p.Items[0].ID] {
				t.Errorf("resumes with %s, which went by, and so did all before it", p.Items[0].ID)
			}
		})
	})
}

// bubble is a test within fake time, whose deadline rapid must not ask for.
type bubble struct{ rapid.TB }
