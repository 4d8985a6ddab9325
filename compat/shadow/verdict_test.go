package shadow

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/backend"
)

// answers is a source that a test plays.
type answers func(backend.Query) (backend.Page, error)

func (a answers) Read(_ context.Context, _ backend.Caller, q backend.Query) (backend.Page, error) {
	return a(q)
}

// switched is a source that can be broken by itself.
type switched struct {
	backend.Source
	broken bool
}

func (s *switched) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	if s.broken {
		return backend.Page{}, errors.New("broken")
	}
	return s.Source.Read(ctx, c, q)
}

func TestLook(t *testing.T) {
	down := errors.New("down")
	a := item{"a", 100}
	listed := backend.Notification{Key: backend.Key{ID: "a", At: 100_500_000}}
	for name, c := range map[string]struct {
		list, find       backend.Page
		errList, errFind error
		want             sight
	}{
		"listed":              {list: backend.Page{Items: []backend.Notification{listed}}, want: there},
		"not listed":          {want: changed},
		"not there":           {find: backend.Page{Reset: true}, want: absent},
		"the list fails":      {errList: down, find: backend.Page{Reset: true}, want: unknown},
		"the row fails":       {errFind: down, want: unknown},
		"the list has no end": {list: backend.Page{More: true}, find: backend.Page{Reset: true}, want: unknown},
		"the list is too new": {list: backend.Page{Reset: true, Check: backend.CheckGap}, want: tooOld},
		"so is the row":       {find: backend.Page{Reset: true, Check: backend.CheckGap}, want: tooOld},
	} {
		asked := 0
		p := newPoller(New(Options{Observer: &tally{}, Store: answers(func(q backend.Query) (backend.Page, error) {
			if asked++; q.After == "a" {
				return c.find, c.errFind
			}
			return c.list, c.errList
		})}), "alice")
		p.expires = time.Now().Add(time.Hour)
		if got := p.look(t.Context(), []item{a})[a]; got != c.want || asked > mostListed+1 {
			t.Errorf("%s: %d after %d reads, want %d", name, got, asked, c.want)
		}
	}
}

func TestALookIsBounded(t *testing.T) {
	finds := 0
	p := newPoller(New(Options{Observer: &tally{}, Store: answers(func(q backend.Query) (backend.Page, error) {
		if len(q.After) == 4 {
			finds++
		}
		return backend.Page{}, nil
	})}), "alice")
	p.expires = time.Now().Add(time.Hour)
	var items []item
	for _, id := range numbered(0, 2*mostFound) {
		items = append(items, item{id, 100})
	}
	if seen := p.look(t.Context(), items); finds != mostFound || len(seen) != mostFound {
		t.Errorf("%d rows are looked for, %d seen", finds, len(seen))
	}
}

// There is one look for what the stream delivers first, and none for what is known.
func TestLooksAreFew(t *testing.T) {
	looks := 0
	inWorld(t, func(w *world) {
		w.add(time.Minute, "known")
		s := w.tab()
		w.deliver(s, "known")
		w.add(0, "polled")
		w.pass(interval)
		w.deliver(s, "polled", "known")
		w.deliver(s, "polled")
		if looks > 0 {
			t.Errorf("%d looks for what polls have delivered", looks)
		}
		w.add(0, "new")
		w.deliver(s, "new")
		w.deliver(s, "new")
		w.settled()
		if w.want(2); looks != 1 {
			t.Errorf("%d looks for one item", looks)
		}
	}, func(o *Options) {
		store := o.Store
		o.Store = answers(func(q backend.Query) (backend.Page, error) {
			looks++
			return store.Read(context.Background(), alice, q)
		})
	})
}

// Among so many items one look sees but the oldest, and the next ones the others.
func TestLooksGoOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(func() { w.bound = time.Hour })
		s := w.tab()
		w.pass(interval)
		w.add(0, "a")
		w.add(-time.Second, numbered(0, mostListed*pageSize)...)
		w.add(-2*time.Second, "z")
		w.deliver(s, "a", "z")
		w.settled()
		w.want(0, "missed a stored", "missed z stored")
	})
}

// The verdict is up to a poll that begins when the time is over, not one that ends then.
func TestAPollThatBeganTooEarly(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab() // polls begin at 5, 10, … s; it is 6 s
		w.hidden["a"] = true
		w.add(0, "a")
		w.deliver(s, "a") // due at 46 s
		w.pass(settle - 2*time.Second)
		w.change(func() { w.slow = 3 * time.Second })
		w.pass(3 * time.Second) // the poll of 45 s is under way
		w.change(func() { delete(w.hidden, "a"); w.slow = 0 })
		w.pass(3 * interval)
		w.want(1)
	})
}

// That the store shows an item says nothing of polls that fail.
func TestOnlyPollsFail(t *testing.T) {
	polls := &switched{}
	inWorld(t, func(w *world) {
		polls.Source = w.cache
		s := w.tab()
		polls.broken = true
		w.add(0, "a")
		w.deliver(s, "a")
		w.pass(settle + interval)
		w.want(0)
		polls.broken = false
		w.pass(interval)
		w.want(1)
	}, func(o *Options) { o.Polls = polls })
}

// A look that fails is made again.
func TestOnlyLooksFail(t *testing.T) {
	looks := &switched{}
	inWorld(t, func(w *world) {
		looks.Source = w.store
		w.change(func() { w.bound = time.Hour })
		s := w.tab()
		w.pass(interval)
		w.add(0, "a")
		w.deliver(s, "a")
		looks.broken = true
		w.settled()
		w.want(0)
		looks.broken = false
		w.pass(interval)
		w.want(0, "missed a stored")
	}, func(o *Options) { o.Store = looks })
}

// What comes while the verdict looks is in time.
func TestDeliveredDuringTheLook(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.tab()
		w.add(0, "a")
		w.pass(interval + settle - 2*time.Second) // polled at 10 s, due at 50 s, heard from at 50 s
		w.change(func() { w.slow = 2 * time.Second })
		w.pass(3 * time.Second) // the poll of 50 s ends, and the look begins
		w.deliver(s, "a")
		w.change(func() { w.slow = 0 })
		w.settled()
		w.want(1)
	})
}

// After what was new a poller stands behind it: the cache can answer it again.
func TestThePlaceMoves(t *testing.T) {
	inWorld(t, func(w *world) {
		w.tab()
		w.add(0, "a")
		w.pass(interval)
		w.change(func() { w.bound = time.Hour })
		w.pass(2 * interval)
		asked := w.asked()
		w.pass(2 * interval)
		if now := w.asked(); now != asked {
			t.Errorf("%d reads where nothing is new", now-asked)
		}
	})
}
