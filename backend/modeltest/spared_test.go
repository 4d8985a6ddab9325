package modeltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/backend"
	"sluice/backend/sqlstore"
	"sluice/compat"
)

// deployment is a way to run a gateway, and what its cache is worth there.
type deployment struct {
	name  string
	app   func() *rowsApp
	bound time.Duration // a user of whom nothing is new is read about at most once in so long
	// spared is the share of empty polls that read nothing, at least, where each
	// user has one tab that polls every 5 s; one poll in bound / 5 s must read.
	spared  float64
	signals bool // the app tells of changes
}

var deployments = []deployment{
	{"SQLite", func() *rowsApp { return sqlRows(commitTail) }, (*commits)(nil).Vouches(), 0.99, false},
	{"PostgreSQL", func() *rowsApp { return sqlRows(windowedTail) }, (*windowed)(nil).Vouches(), 0.91, false},
	{"the app, which signals", upstreamRows, heardBound, 0.82, true},
}

// Whatever the number of tabs and streams, the source is read about an idle user at
// most once in the bound, counted over an hour of polls.
func TestEmptyPollsAreSpared(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			for _, h := range []household{{tabs: 1}, {tabs: 4, streams: 3}, {tabs: 4, streams: 3, young: true}} {
				synctest.Test(t, func(t *testing.T) { d.run(t, h) })
			}
		})
	}
}

// household is what each user has open.
type household struct {
	tabs, streams int
	// young: the newest item leaves the look-back meanwhile. Then each reader's cursor
	// is exchanged, once, for one that says so, and that may be a read of its own.
	young bool
}

// more is how many reads there may be besides.
func (h household) more() int {
	if h.young {
		return h.tabs + h.streams - 1
	}
	return 0
}

const (
	idlers    = 5
	everyPoll = 5 * time.Second
	counted   = time.Hour
)

// run lets everybody poll for an hour, while other users get items and, where
// the app signals, so that they do.
func (d deployment) run(t *testing.T, h household) {
	ctx, cancel := context.WithCancel(t.Context())
	app := &countedApp{rowsApp: d.app(), reads: map[string][]time.Time{}}
	g := newGateway(0, app, nil)
	created := time.Now()
	if !h.young {
		created = created.Add(-2 * app.is.lookBack)
	}
	var names []string
	for i := range idlers {
		names = append(names, fmt.Sprint("idle-", i))
		app.commit(names[i], []backend.Notification{{Key: backend.Key{At: created.UnixMicro(), ID: names[i]}}})
	}
	if d.signals {
		g.feed.Signal(ctx, "busy")
	}
	time.Sleep(time.Second) // the tail has seen all this

	var people sync.WaitGroup
	var seats []*seat
	for _, user := range names {
		page, err := g.reader.Read(ctx, backend.Caller{User: user}, backend.Query{Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		for n := range h.tabs + h.streams {
			s := &seat{Source: g.reader, caller: backend.Caller{User: user}, place: page.Place}
			seats = append(seats, s)
			if n < h.tabs {
				people.Go(func() { s.tab(ctx) })
			} else {
				people.Go(func() { s.hold(ctx, g) })
			}
		}
	}
	people.Go(func() { bustle(ctx, g, app, d.signals) })
	time.Sleep(counted)
	cancel()
	people.Wait()
	g.stop()

	reads, empty := app.check(t, d.bound, h.more()), 0
	for _, s := range seats {
		empty += s.empty
	}
	share := 1 - float64(reads)/float64(empty)
	t.Logf("figure: %s, %d users with %d tabs and %d streams each, every 5 s for %s | %d empty polls, %d reads: %.2f %% spared",
		d.name, idlers, h.tabs, h.streams, counted, empty, reads, 100*share)
	if empty < idlers*int(counted/everyPoll)*9/10 || share < d.spared {
		t.Errorf("%d empty polls, %.4f of them spared, want %v", empty, share, d.spared)
	}
}

// bustle is the users of whom there is news.
func bustle(ctx context.Context, g *gateway, app *countedApp, signals bool) {
	for n := 0; pass(ctx, 7*time.Second) == nil; n++ {
		app.commit("busy", []backend.Notification{{Key: backend.Key{At: time.Now().UnixMicro(), ID: fmt.Sprint(n)}}})
		if signals {
			g.feed.Signal(ctx, "busy")
		}
	}
}

// countedApp notes when it is read about idle users.
type countedApp struct {
	*rowsApp
	mu    sync.Mutex
	reads map[string][]time.Time // by user
}

func (a *countedApp) source() backend.Source { return a }

// Read implements backend.Source.
func (a *countedApp) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	a.mu.Lock()
	a.reads[c.User] = append(a.reads[c.User], time.Now())
	a.mu.Unlock()
	return a.rowsApp.Read(ctx, c, q)
}

// check counts the reads, and fails if those about one user are nearer than the bound,
// but for a few.
func (a *countedApp) check(t *testing.T, bound time.Duration, few int) (all int) {
	for user, reads := range a.reads {
		all += len(reads)
		near := 0
		for i := range reads[1:] {
			if reads[i+1].Sub(reads[i]) < bound {
				near++
			}
		}
		if near > few {
			t.Errorf("%d of %d reads about %s came within %s of the one before, want at most %d", near, len(reads), user, bound, few)
		}
	}
	return all
}

// seat is where a tab or a stream reads, and where it stands.
type seat struct {
	backend.Source
	caller backend.Caller
	place  string
	empty  int // answers
}

// Read implements backend.Source.
func (s *seat) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	page, err := s.Source.Read(ctx, c, q)
	if err == nil {
		s.place = page.Place
		if len(page.Items) == 0 {
			s.empty++
		}
	}
	return page, err
}

// tab polls as the client does: first at any time, and then with jitter.
func (s *seat) tab(ctx context.Context) {
	for wait := rand.N(everyPoll); pass(ctx, wait) == nil; wait = everyPoll*9/10 + rand.N(everyPoll/5) {
		_, _ = s.Read(ctx, s.caller, backend.Query{After: s.place, Limit: 50})
	}
}

// hold holds one bridged stream after another.
func (s *seat) hold(ctx context.Context, g *gateway) {
	bridge := compat.New(compat.Options{
		Source: s, Interval: func() time.Duration { return everyPoll }, Heartbeat: 15 * time.Second,
		MaxDuration: 25 * time.Second, OldPageDuration: 290 * time.Second, Watch: g.feed.Watch, Observer: silence{},
	})
	for pass(ctx, rand.N(3*time.Second)) == nil {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/stream", nil)
		r.Header.Set("Last-Event-ID", s.place)
		bridge.Serve(httptest.NewRecorder(), r, s.caller, time.Now().Add(time.Hour))
	}
}

// silence is a compat.Observer that nobody hears.
type silence struct{}

func (silence) StreamOpened()                         {}
func (silence) StreamClosed(compat.Reason)            {}
func (silence) Delivered(int, []backend.Notification) {}
func (silence) Asked()                                {}
func (silence) Returned(compat.Return)                {}
func (silence) ReadFailed(error)                      {}
func (silence) BrowserUnknown(error)                  {}

// The model's tails vouch as long as the real ones do.
func TestTailsVouchAsTheRealOnes(t *testing.T) {
	sqlite, err := sqlstore.Open(newSQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	defer sqlite.Close()
	postgres, err := sqlstore.OpenPostgres("postgres://nobody@localhost/nothing")
	if err != nil {
		t.Fatal(err)
	}
	defer postgres.Close()
	for _, pair := range [][2]backend.Tail{{sqlite.Tail(), &commits{}}, {postgres.Tail(), &windowed{}}} {
		defer pair[0].Close()
		if pair[0].Vouches() != pair[1].Vouches() || pair[0].Period() != pair[1].Period() {
			t.Errorf("%T vouches for %s and looks every %s, its model for %s and every %s",
				pair[0], pair[0].Vouches(), pair[0].Period(), pair[1].Vouches(), pair[1].Period())
		}
	}
}
