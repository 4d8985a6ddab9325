package scale

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"sluice/backend"
)

// Kind is what Sluice reads, and what it hears of changes by.
type Kind struct {
	Name     string
	LookBack time.Duration
	Tail     bool // followed, as backend/sqlstore does
	Period   time.Duration
	Vouches  time.Duration
	Signals  bool // the app says what has changed
}

// The kinds; figures are those of backend/sqlstore and backend/upstream.
var (
	Postgres = Kind{Name: "PostgreSQL, tail", LookBack: time.Hour, Tail: true, Period: 500 * time.Millisecond, Vouches: time.Minute}
	SQLite   = Kind{Name: "SQLite, tail", LookBack: time.Hour, Tail: true, Period: 250 * time.Millisecond, Vouches: 10 * time.Minute}
	Signals  = Kind{Name: "the app's endpoint, signals", LookBack: time.Minute, Signals: true}
	Unheard  = Kind{Name: "the app's endpoint, no signals", LookBack: time.Minute}
)

// Of a look, as in backend/sqlstore/tail.go.
const (
	lookWindow = 30 * time.Second
	lookRows   = 200_000
	lookUsers  = 10_000
	lookGap    = 6 * time.Second // tail_postgres.go: further apart, looks may have missed something
)

// Health is how the app's data is.
type Health uint8

// The ways it can be.
const (
	Well  Health = iota
	Down         // refuses at once
	Hangs        // does not answer
)

// app is the app's notifications, and what reads of them cost.
type app struct {
	kind  Kind
	names []string // of users

	mu     sync.Mutex
	rows   [][]time.Duration // of each user, ascending: when they became visible
	log    []change          // of all, ascending; a tail's place is an index
	health Health
	perRow time.Duration // between two answers, at most as many a second as it bears; 0: any number
	free   time.Duration // when it has answered all that it was asked
	start  time.Time
	reads  int64
}

type change struct {
	user int32
	at   time.Duration
}

func newApp(kind Kind, users int) *app {
	a := &app{kind: kind, names: make([]string, users), rows: make([][]time.Duration, users), start: time.Now()}
	for i := range a.rows {
		a.names[i] = fmt.Sprintf(nameFormat, i)
		a.rows[i] = []time.Duration{-24 * time.Hour} // everybody has had something once
	}
	return a
}

// bears sets how many reads a second are answered; 0 is any number.
func (a *app) bears(reads int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.perRow = 0
	if reads > 0 {
		a.perRow = time.Second / time.Duration(reads)
	}
}

func (a *app) turn(h Health) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health = h
}

// write makes an item visible. What nobody can ask for any more is dropped.
func (a *app) write(user int32, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rows := a.rows[user]
	for len(rows) > 1 && rows[1] < now-time.Hour-time.Minute {
		rows = rows[1:]
	}
	now = max(now, rows[len(rows)-1]+time.Microsecond)
	a.rows[user] = append(rows, now)
	if a.kind.Tail {
		a.log = append(a.log, change{user, now})
	}
}

var errDown = errors.New("connection refused")

// Read implements backend.Source.
func (a *app) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	wait, health := a.admit()
	switch {
	case health == Down:
		return backend.Page{}, backend.Failed(ctx, backend.Unavailable, "down", errDown)
	case health == Hangs:
		<-ctx.Done()
		return backend.Page{}, backend.Failed(ctx, backend.TooLate, "hangs", ctx.Err())
	case wait > 0:
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return backend.Page{}, backend.Failed(ctx, backend.TooLate, "late", ctx.Err())
		}
	}
	a.mu.Lock()
	user := number(c.User)
	list := backend.NewList(a.items(user), false, time.Now())
	a.mu.Unlock()
	return backend.Read(list, c.User, a.kind.LookBack, q)
}

// admit counts a read, and tells how long it waits for its answer.
func (a *app) admit() (wait time.Duration, h Health) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads++
	now := time.Since(a.start)
	a.free = max(a.free, now) + a.perRow
	return a.free - now, a.health
}

// items are a user's rows as Sluice reads them; created_at has whole seconds.
func (a *app) items(user int32) []backend.Notification {
	items := make([]backend.Notification, len(a.rows[user]))
	for i, at := range a.rows[user] {
		created := a.start.Add(at).Truncate(time.Second)
		items[i].Key = backend.Key{At: created.UnixMicro(), ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", user, uint64(at.Microseconds())&(1<<48-1))}
	}
	return items
}

// tail is what one gateway sees of changes.
type tail struct {
	app  *app
	seen int       // of the log
	last time.Time // the look before; zero: none
}

// Look implements backend.Tail.
func (t *tail) Look(ctx context.Context) (backend.Changes, error) {
	a := t.app
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.health {
	case Down:
		return backend.Changes{}, errDown
	case Hangs:
		a.mu.Unlock()
		<-ctx.Done()
		a.mu.Lock()
		return backend.Changes{}, ctx.Err()
	}
	users := map[int32]struct{}{}
	for _, c := range a.log[t.seen:] {
		users[c.user] = struct{}{}
	}
	gap := time.Since(t.last) // huge after the zero time
	t.seen, t.last = len(a.log), time.Now()
	if gap > lookGap || len(users) > lookUsers || a.tooMany() {
		return backend.Changes{Unknown: true}, nil
	}
	var c backend.Changes
	for user := range users {
		c.Users = append(c.Users, a.names[user])
	}
	return c, nil
}

// tooMany tells whether a look finds more rows than it is ready to look at.
func (a *app) tooMany() bool {
	oldest := len(a.log) - lookRows
	return oldest >= 0 && a.log[oldest].at >= time.Since(a.start)-lookWindow
}

// Period implements backend.Tail.
func (t *tail) Period() time.Duration { return t.app.kind.Period }

// Vouches implements backend.Tail.
func (t *tail) Vouches() time.Duration { return t.app.kind.Vouches }

// Close implements backend.Tail.
func (t *tail) Close() error { return nil }

// nameFormat makes ids of 16 bytes, the longest that are kept as they are in Redis;
// longer ones are hashed to as many.
const nameFormat = "user-%011d"

func number(name string) int32 {
	n, err := strconv.Atoi(name[len("user-"):])
	if err != nil {
		panic(err) // of our own making
	}
	return int32(n)
}
