package latest_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"sluice/backend"
	"sluice/backend/feed"
	"sluice/backend/latest"
	"sluice/backend/sqlstore"
	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

// A history is what one reader was delivered as its cursor moved on, and all that
// was written meanwhile. It must be linearizable: a set that writes add to, and of
// which the reader has exactly what is in it after each poll. A write has returned
// when the app's signal has.
//
// Each reader has a history of its own, and so has each poll that reads all from
// "0" anew: between a commit and its signal, a row that one poll has read may still
// be hidden from the next by what a slower read has left in the cache.
//
// The tests are worth something because these changes make them fail, the first
// two of them within the test itself: no Forget; a fence that lets everything
// through (Memory.Put without e.nonce == t.nonce, put.lua without its if); a
// flight whose key lacks the nonce.
type history []porcupine.Operation

// write is the input of a write: the number of its row. Polls have no input, and
// the set of rows that their reader has been delivered for output.
type write uint

var growingSet = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		if n, ok := input.(write); ok {
			return true, state.(uint64) | 1<<n
		}
		return output == state, state
	},
}

const (
	writers, writes = 3, 7 // writes of each; rows are bits of a uint64
	readers         = 6
)

// store is an app's database: a source, and a way to write into it.
type store struct {
	source backend.Source
	db     *sql.DB
}

func openSQLite(t *testing.T) store {
	path := filepath.Join(t.TempDir(), "app.db")
	db := open(t, "sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)&_pragma=synchronous(off)")
	db.SetMaxOpenConns(1)                        // writers would only wait for the file's lock
	if _, err := db.Exec(`VACUUM`); err != nil { // makes the file
		t.Fatal(err)
	}
	if err := sqlstore.Migrate(t.Context(), path, sqlstore.Up); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return store{s, db}
}

func openPostgres(t *testing.T) store {
	url := servertest.StartPostgres(t).URL("postgres")
	if err := sqlstore.MigratePostgres(t.Context(), url, sqlstore.Up); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.OpenPostgres(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return store{s, open(t, "pgx", url)}
}

func open(t *testing.T, driver, dsn string) *sql.DB {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// insert adds row n, which may slide in behind rows that are there.
func (s store) insert(ctx context.Context, user string, n write) error {
	at := time.Now().UTC().Add(-time.Duration(rand.IntN(3)) * time.Second).Format(backend.LegacyTime)
	_, err := s.db.ExecContext(ctx, `INSERT INTO notifications (id, user_id, level, text, created_at) VALUES ($1, $2, 'info', $3, $4)`,
		uuid.NewString(), user, fmt.Sprint(n), at)
	return err
}

// slow is a source whose answers take a moment to arrive.
type slow struct{ backend.Source }

func (s slow) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	page, err := s.Source.Read(ctx, c, q)
	time.Sleep(time.Duration(rand.IntN(int(time.Millisecond))))
	return page, err
}

// gateway is the part of one that polls and signals go through.
type gateway struct {
	*latest.Reader
	*feed.Feed
}

func newGateway(s store, shared latest.Cache) gateway {
	r := latest.NewReader(latest.Options{
		Source: slow{s.source}, Local: latest.NewMemory(64), Shared: shared,
		Bound: func(time.Time) time.Duration { return time.Minute },
	})
	return gateway{r, feed.New(feed.Options{Forget: r.Forget})}
}

// run is one round of concurrent writes and polls of a new user.
type run struct {
	t        *testing.T
	store    store
	gateways []gateway
	deaf     bool // signals are not sent
	user     string
	begin    time.Time
	rows     atomic.Int64
	done     chan struct{} // closed after the last write
}

func (r *run) now() int64 { return time.Since(r.begin).Nanoseconds() }

// histories runs writers and readers, and returns what is to be checked.
func (r *run) histories() (all []history) {
	r.user, r.begin, r.done = uuid.NewString(), time.Now(), make(chan struct{})
	written, polled := make([]history, writers), make([][]history, readers)
	var writing, reading sync.WaitGroup
	for i := range polled {
		reading.Go(func() { polled[i] = r.read(i) })
	}
	for i := range written {
		writing.Go(func() { written[i] = r.write(i) })
	}
	writing.Wait()
	close(r.done)
	reading.Wait()
	writes := slices.Concat(written...)
	for _, h := range slices.Concat(polled...) {
		all = append(all, append(h, writes...))
	}
	return all
}

func (r *run) write(id int) (h history) {
	for range writes {
		n := write(r.rows.Add(1) - 1)
		call := r.now()
		if err := r.store.insert(r.t.Context(), r.user, n); err != nil {
			r.t.Error(err)
			return h
		}
		for _, g := range r.gateways {
			if !r.deaf {
				g.Signal(r.t.Context(), r.user)
			}
		}
		h = append(h, porcupine.Operation{ClientId: readers + id, Input: n, Call: call, Return: r.now()})
	}
	return h
}

// read polls, now here and now there, until after the last write. Half of the
// readers follow a cursor; of these, two are tabs of one browser, which share
// reads. The others ask for everything anew.
func (r *run) read(id int) (all []history) {
	caller := backend.Caller{User: r.user, Token: fmt.Sprint(max(1, id))}
	place, follows := "0", id%2 == 0 || id == 1
	var seen uint64
	var followed history
	for last := false; !last; {
		select {
		case <-r.done:
			last = true
		default:
		}
		call := r.now()
		page, err := r.gateways[rand.IntN(len(r.gateways))].Read(r.t.Context(), caller, backend.Query{After: place, Limit: 100})
		if err != nil || page.More || page.Reset {
			r.t.Errorf("more %v, reset %v: %v", page.More, page.Reset, err)
			return nil
		}
		for _, item := range page.Items {
			var n write
			if _, err := fmt.Sscan(item.Text, &n); err != nil {
				r.t.Error(err)
			}
			seen |= 1 << n
		}
		poll := porcupine.Operation{ClientId: id, Output: seen, Call: call, Return: r.now()}
		if follows {
			// Of polls that found the same, what is between the first and the last follows
			// from these, since a set only grows. While a write is stuck there may be a million.
			if n := len(followed); n > 1 && followed[n-2].Output == seen && followed[n-1].Output == seen {
				followed = followed[:n-1]
			}
			place, followed = page.Place, append(followed, poll)
		} else {
			all, seen = append(all, history{poll}), 0
		}
	}
	return append(all, followed)
}

// linearizable runs a round and tells whether all of its histories are.
func linearizable(t *testing.T, r *run) bool {
	for _, h := range r.histories() {
		switch porcupine.CheckOperationsTimeout(growingSet, h, servertest.Patience) {
		case porcupine.Illegal:
			return false
		case porcupine.Unknown:
			t.Fatal("the check takes too long")
		}
	}
	return true
}

func TestPollsAreLinearizable(t *testing.T) {
	for driver, open := range map[string]func(*testing.T) store{"sqlite": openSQLite, "postgres": openPostgres} {
		t.Run(driver, func(t *testing.T) {
			s, url := open(t), servertest.StartRedis(t).URL
			for name, gateways := range map[string][]gateway{
				"in process":            {newGateway(s, nil)},
				"two gateways, a Redis": {newGateway(s, redisCache(t, url)), newGateway(s, redisCache(t, url))},
			} {
				t.Run(name, func(t *testing.T) {
					for round := range 10 {
						if !linearizable(t, &run{t: t, store: s, gateways: gateways}) {
							t.Fatalf("round %d is not linearizable", round)
						}
					}
				})
			}
		})
	}
}

func redisCache(t *testing.T, url string) latest.Cache {
	client, err := redisconn.Open(url, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return latest.NewRedis(client, 5*time.Second)
}

// unfenced is a cache that stores what a read showed whatever happened since it
// began.
type unfenced struct{ *latest.Memory }

func (u unfenced) Put(ctx context.Context, user string, _ latest.Ticket, l backend.Latest) {
	u.Memory.Put(ctx, user, u.Get(ctx, user).Ticket, l)
}

// The check would notice what the cache must not leave out.
func TestTheCheckOfPollsBites(t *testing.T) {
	s := openSQLite(t)
	for name, broken := range map[string]func() *run{
		"without Forget": func() *run { return &run{deaf: true, gateways: []gateway{newGateway(s, nil)}} },
		"without the fence": func() *run {
			return &run{gateways: []gateway{newGateway(s, unfenced{latest.NewMemory(64)})}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			servertest.Eventually(t, "a history is not linearizable", func() bool {
				r := broken()
				r.t, r.store = t, s
				return !linearizable(t, r)
			})
		})
	}
}
