package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

// audience is all pages that are open, and what was written for their users.
type audience struct {
	t    *testing.T
	tabs []*tab

	mu      sync.Mutex
	written map[string]map[string]time.Time // by user and id
}

// perSecond is how many items are written, for one user after the other.
const perSecond = 28

// gather opens pages, waits until each is there, and lets the app's jobs write for
// all of them until the test ends.
func (f *fleet) gather(newTabs, oldTabs int, named ...string) *audience {
	f.t.Helper()
	a := &audience{t: f.t, written: map[string]map[string]time.Time{}}
	for i := range newTabs {
		named = append(named, fmt.Sprintf("new-%d", i))
	}
	for _, user := range named {
		a.tabs = append(a.tabs, f.tab(user, false))
	}
	for i := range oldTabs {
		a.tabs = append(a.tabs, f.tab(fmt.Sprintf("old-%d", i), true))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	for _, b := range a.tabs {
		open.Go(func() { b.run(ctx) })
	}
	servertest.Eventually(f.t, "all pages are there", func() bool {
		return !slices.ContainsFunc(a.tabs, func(b *tab) bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.ready })
	})
	open.Go(func() { a.write(ctx, f.db) })
	f.t.Cleanup(func() { cancel(); open.Wait() })
	return a
}

func (a *audience) write(ctx context.Context, db *appdb.DB) {
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		user := a.tabs[i%len(a.tabs)].user
		ids, err := db.Insert(appdb.Row{User: user, Level: "info", Text: "hello", Context: "{}"})
		if err != nil {
			a.t.Errorf("write: %v", err)
			return
		}
		a.mu.Lock()
		if a.written[user] == nil {
			a.written[user] = map[string]time.Time{}
		}
		a.written[user][ids[0]] = time.Now()
		a.mu.Unlock()
	}
}

// comeback is how long pages may stay away: whose polls failed waits for up to twice the
// interval, which gateways raise while the source fails.
const comeback = 2 * servertest.Patience

// allShown waits until every page has shown what was written for its user up to now.
func (a *audience) allShown() {
	a.t.Helper()
	a.mu.Lock()
	want := map[string]map[string]time.Time{}
	for user, ids := range a.written {
		want[user] = maps.Clone(ids)
	}
	a.mu.Unlock()
	missing := ""
	defer func() {
		if a.t.Failed() && missing != "" {
			a.t.Log("at last: ", missing)
		}
	}()
	servertest.Within(a.t, comeback, "everybody was shown everything", func() bool {
		missing = ""
		for _, b := range a.tabs {
			b.mu.Lock()
			for id, at := range want[b.user] {
				if _, ok := b.shown[id]; !ok {
					missing = fmt.Sprintf("%s was not shown %s, written %s ago; transport %q", b.user, id, time.Since(at), b.transport)
				}
			}
			b.mu.Unlock()
		}
		return missing == ""
	})
}

// on are the new pages that were last told a transport.
func (a *audience) on(transport string) (tabs []*tab) {
	for _, b := range a.tabs {
		b.mu.Lock()
		if !b.old && b.transport == transport {
			tabs = append(tabs, b)
		}
		b.mu.Unlock()
	}
	return tabs
}

// moved are the pages on poll whose users nobody has named.
func (a *audience) moved() []*tab {
	return slices.DeleteFunc(a.on("poll"), func(b *tab) bool { return b.user == "pinned-poll" })
}

// back waits until none of the users whom nobody has named polls, and returns when
// the last page was told since a time.
func (a *audience) back(since time.Time) (last time.Time) {
	a.t.Helper()
	servertest.Within(a.t, comeback, "all are back on the stream", func() bool { return len(a.moved()) == 0 })
	last = since
	for _, b := range a.on("sse") {
		b.mu.Lock()
		if b.switched.After(last) {
			last = b.switched
		}
		b.mu.Unlock()
	}
	return last
}

// waitedLonger counts pages that were shown something, since a time, later than a
// limit after it was written.
func (a *audience) waitedLonger(limit time.Duration, since time.Time, tabs []*tab) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range tabs {
		b.mu.Lock()
		for id, at := range a.written[b.user] {
			if shown, ok := b.shown[id]; at.After(since) && ok && shown.Sub(at) > limit {
				n++
				break
			}
		}
		b.mu.Unlock()
	}
	return n
}

// books sums up what pages have received.
func (a *audience) books() (shown, repeats, twice, errors int) {
	for _, b := range a.tabs {
		b.mu.Lock()
		shown, repeats, twice, errors = shown+len(b.shown), repeats+b.repeats, twice+b.twice, errors+b.errors
		b.mu.Unlock()
	}
	return shown, repeats, twice, errors
}
