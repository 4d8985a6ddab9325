package modeltest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"sluice/backend"
	"sluice/backend/upstream"
)

// app is what the gateways stand before: the app's data, and how it is read.
// The model itself keeps account of what is in it (world.items).
type app interface {
	// commit makes rows of a user visible at once; it replaces rows of the same id.
	commit(user string, rows []backend.Notification)
	remove(user, id string)
	// source and tail are opened by each gateway for itself; tail may be nil.
	source() backend.Source
	tail() backend.Tail
	traits() traits
}

// traits are what the model has to know of a source.
type traits struct {
	lookBack time.Duration
	window   int           // only so many of the newest rows can be read; 0: all
	lateTail time.Duration // the tail misses what commits later after its created_at; 0: nothing
	capacity int           // so many rows may be made in all
}

// rowsApp has its rows in memory, read through backend.List, as the source
// upstream does.
type rowsApp struct {
	is   traits
	kind tailKind

	mu   sync.Mutex
	rows map[string]map[string]backend.Notification // by user and id
	log  []string                                   // of each commit the user; empty for a deletion
}

// tailKind is which of the two real tails to behave like.
type tailKind int

const (
	noTail       tailKind = iota
	commitTail            // SQLite: sees every commit, but not of whom a deletion is
	windowedTail          // PostgreSQL: sees what was created within 30 s
)

// sqlRows is a source that reaches all rows. Its look-back is shorter than that
// of a real store, so that the model outlasts it often.
func sqlRows(kind tailKind) *rowsApp {
	a := &rowsApp{kind: kind, is: traits{lookBack: 2 * time.Minute, capacity: 500}}
	if kind == windowedTail {
		a.is.lateTail = windowSeen - windowGap
	}
	return a
}

// upstreamRows shows the newest 100, as the app's own endpoint.
func upstreamRows() *rowsApp {
	return &rowsApp{is: traits{lookBack: upstream.LookBack, window: 100, capacity: 500}}
}

func (a *rowsApp) traits() traits { return a.is }

func (a *rowsApp) commit(user string, rows []backend.Notification) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rows == nil {
		a.rows = map[string]map[string]backend.Notification{}
	}
	if a.rows[user] == nil {
		a.rows[user] = map[string]backend.Notification{}
	}
	for _, n := range rows {
		a.rows[user][n.ID] = n
	}
	a.log = append(a.log, user)
}

func (a *rowsApp) remove(user, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.rows[user], id)
	a.log = append(a.log, "")
}

func (a *rowsApp) source() backend.Source { return a }

// Read implements backend.Source.
func (a *rowsApp) Read(_ context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	now := time.Now()
	a.mu.Lock()
	rows := slices.Collect(maps.Values(a.rows[c.User]))
	a.mu.Unlock()
	cut := a.is.window > 0 && len(rows) >= a.is.window
	if cut {
		slices.SortFunc(rows, func(x, y backend.Notification) int { return y.Compare(x.Key) })
		rows = rows[:a.is.window]
	}
	if a.is.window > 0 {
		now = now.Truncate(time.Second) // as the header Date
	}
	return backend.Read(backend.NewList(rows, cut, now), c.User, a.is.lookBack, q)
}

func (a *rowsApp) tail() backend.Tail {
	switch a.kind {
	case commitTail:
		return &commits{app: a}
	case windowedTail:
		return &windowed{app: a}
	}
	return nil
}

// commits is a tail like SQLite's: a look that fails loses its connection, and the
// next does not know what happened meanwhile.
type commits struct {
	app   *rowsApp
	begun bool
	read  int
}

func (*commits) Period() time.Duration  { return 250 * time.Millisecond }
func (*commits) Vouches() time.Duration { return 10 * time.Minute }
func (*commits) Close() error           { return nil }

func (c *commits) Look(ctx context.Context) (backend.Changes, error) {
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	if ctx.Err() != nil {
		c.begun = false
		return backend.Changes{}, ctx.Err()
	}
	changes := backend.Changes{Unknown: !c.begun}
	if !c.begun {
		c.read = len(c.app.log)
	}
	for _, user := range c.app.log[c.read:] {
		if user == "" {
			changes.Unknown = true
			continue
		}
		changes.Users = append(changes.Users, user)
	}
	c.begun, c.read = true, len(c.app.log)
	return changes, nil
}

// What the PostgreSQL tail looks at, and how far apart two looks may be.
const (
	windowSeen = 30 * time.Second
	windowGap  = 6 * time.Second
)

// windowed is a tail like PostgreSQL's.
type windowed struct {
	app  *rowsApp
	last time.Time
	seen map[backend.Key]bool
}

func (*windowed) Period() time.Duration  { return 500 * time.Millisecond }
func (*windowed) Vouches() time.Duration { return time.Minute }
func (*windowed) Close() error           { return nil }

func (w *windowed) Look(ctx context.Context) (backend.Changes, error) {
	if ctx.Err() != nil {
		return backend.Changes{}, ctx.Err()
	}
	w.app.mu.Lock()
	defer w.app.mu.Unlock()
	now := time.Now()
	changes := backend.Changes{Unknown: now.Sub(w.last) > windowGap}
	seen := map[backend.Key]bool{}
	for user, rows := range w.app.rows {
		for _, n := range rows {
			if n.At < now.Add(-windowSeen).UnixMicro() {
				continue
			}
			seen[n.Key] = true
			if !w.seen[n.Key] && !slices.Contains(changes.Users, user) {
				changes.Users = append(changes.Users, user)
			}
		}
	}
	w.last, w.seen = now, seen
	return changes, nil
}
