package modeltest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"sluice/backend"
	"sluice/backend/latest"
	"sluice/backend/sqlstore"
	"sluice/backend/upstream"
	"sluice/internal/servertest"
)

// The models below run against real servers, in real time, which they cannot let
// pass. So no entry ever gets too old here, and only news of a change ends a lie:
// after it, nothing may be hidden.

func TestModelServersSQLite(t *testing.T) {
	path := newSQLite(t)
	checkServers(t, func(t *rapid.T) app {
		return newSQLApp(t, "sqlite", path, sqlstore.Open, sqliteTraits)
	})
}

func TestModelServersPostgres(t *testing.T) {
	url := servertest.StartPostgres(t).NewDatabase(t)
	if err := sqlstore.MigratePostgres(t.Context(), url, sqlstore.Up); err != nil {
		t.Fatal(err)
	}
	checkServers(t, func(t *rapid.T) app {
		return newSQLApp(t, "pgx", url, sqlstore.OpenPostgres, postgresTraits)
	})
}

func TestModelServersUpstream(t *testing.T) {
	checkServers(t, func(t *rapid.T) app {
		a := &legacyApp{rowsApp: upstreamRows()}
		server := httptest.NewServer(a)
		t.Cleanup(server.Close)
		where, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		a.real = upstream.New(upstream.Options{URL: where, Name: "access_token", Timeout: time.Minute})
		t.Cleanup(func() { a.real.Close() })
		return a
	})
}

// legacyApp is the app's own endpoint, and the real source over it.
type legacyApp struct {
	*rowsApp
	real *upstream.Source
}

func (a *legacyApp) source() backend.Source { return asUser{a.real} }

// asUser sends the user's name for a token.
type asUser struct{ backend.Source }

func (s asUser) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	c.Token = c.User
	return s.Source.Read(ctx, c, q)
}

func (a *legacyApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("access_token")
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	rows := slices.Collect(maps.Values(a.rows[cookie.Value]))
	a.mu.Unlock()
	slices.SortFunc(rows, func(x, y backend.Notification) int { return y.Compare(x.Key) })
	list := []map[string]any{}
	for _, n := range rows[:min(len(rows), a.is.window)] {
		row := map[string]any{"id": n.ID, "user_id": cookie.Value, "title": n.Title, "created_at": n.Time().Format(backend.LegacyTime)}
		if !n.ExpiresAt.IsZero() {
			row["expires_at"] = n.ExpiresAt.UTC().Format(backend.LegacyTime)
		}
		list = append(list, row)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"notifications": list})
}

func checkServers(t *testing.T, open func(*rapid.T) app) {
	atMost(t, "8")
	server := servertest.StartRedis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, open(t))
		w.rest = func() {
			for _, c := range w.clients {
				if c.under != nil {
					<-c.under.done
				}
			}
		}
		s := &servers{world: w, redis: client, lost: time.Now()}
		w.lost = func() time.Time { return s.lost }
		s.must(client.FlushAll(w.ctx).Err())
		for n := range 2 {
			s.start(t, n)
		}
		t.Repeat(s.actions())
		s.end(t)
	})
}

// servers is a world of real servers. Its gateways' tails are looked at when the
// model says so.
type servers struct {
	*world
	redis *redis.Client
	gates []*gate
	tails []backend.Tail // empty for a source without
	saved map[string]string
	lost  time.Time
}

func (s *servers) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (s *servers) start(t *rapid.T, n int) {
	g := &gate{Source: s.app.source()}
	o := latest.Options{
		Source: g, Local: latest.NewMemory(256),
		Shared: latest.NewRedis(s.redis, time.Minute),
		Bound:  func(time.Time) time.Duration { return time.Hour },
	}
	s.gates = append(s.gates, g)
	s.gateways = append(s.gateways, &gateway{number: n, reader: latest.NewReader(o), deaf: true})
	if tail := s.app.tail(); tail != nil {
		t.Cleanup(func() { _ = tail.Close() })
		s.tails = append(s.tails, tail)
	}
}

// gate holds a read up, after it has seen the data, until it is opened.
type gate struct {
	backend.Source
	mu   sync.Mutex
	held chan struct{} // not nil: the next read waits for it
	seen chan struct{}
}

func (g *gate) close() (seen, held chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen, g.held = make(chan struct{}), make(chan struct{})
	return g.seen, g.held
}

// Read implements backend.Source.
func (g *gate) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	g.mu.Lock()
	seen, held := g.seen, g.held
	g.seen, g.held = nil, nil
	g.mu.Unlock()
	page, err := g.Source.Read(ctx, c, q)
	if held != nil {
		close(seen)
		<-held
	}
	return page, err
}

func (s *servers) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"item":    func(t *rapid.T) { s.write(t, 0, 1, 0) },
		"tie":     func(t *rapid.T) { s.write(t, 0, rapid.IntRange(2, 5).Draw(t, "items"), 0) },
		"burst":   func(t *rapid.T) { s.write(t, 0, rapid.IntRange(20, 60).Draw(t, "items"), 0) },
		"late":    func(t *rapid.T) { s.write(t, s.lateness(t), rapid.IntRange(1, 3).Draw(t, "items"), 0) },
		"expired": func(t *rapid.T) { s.write(t, 0, 1, time.Second) },
		"delete":  s.delete,
		"replace": s.replace,

		"poll": s.poll, "poll again": s.poll, "poll more": s.poll,
		"go back":  s.goBack,
		"bare id":  s.bareID,
		"stranger": s.stranger,
		"held":     s.heldPoll,

		"signal":     func(t *rapid.T) { s.tell(t, s.gateway(t).number) },
		"look":       s.look,
		"cache lost": s.shakeRedis,
	}
}

// poll is a poll whose answer is waited for.
func (s *servers) poll(t *rapid.T) {
	if c := s.idle(t); c != nil {
		s.polls(t, c, s.gateway(t), anyLimit.Draw(t, "limit"))
	}
}

// heldPoll is a poll during which other things happen: its read has seen the data
// before them, and is stored after them.
func (s *servers) heldPoll(t *rapid.T) {
	c := s.idle(t)
	if c == nil {
		return
	}
	g := s.gateway(t)
	seen, held := s.gates[g.number].close()
	s.ask(c, g, anyLimit.Draw(t, "limit"), 0)
	select {
	case <-seen:
	case <-c.under.done: // answered from a cache
	}
	for range rapid.IntRange(0, 3).Draw(t, "meanwhile") {
		rapid.SampledFrom([]func(*rapid.T){
			func(t *rapid.T) { s.write(t, 0, 1, 0) },
			func(t *rapid.T) { s.tell(t, s.gateway(t).number) },
			s.look,
			s.shakeRedis,
		}).Draw(t, "what")(t)
	}
	close(held)
	<-c.under.done
	s.take(t, c)
}

// tell is the news that both users have changed.
func (s *servers) tell(_ *rapid.T, n int) {
	for _, user := range users {
		s.gateways[n].reader.Forget(s.ctx, user)
		s.told(n, user, func(*item) bool { return true })
	}
}

// look lets a gateway's tail have a look: what is visible is told, or it does not know.
func (s *servers) look(t *rapid.T) {
	if len(s.tails) == 0 {
		return
	}
	n := s.gateway(t).number
	c, err := s.tails[n].Look(s.ctx)
	s.must(err)
	if c.Unknown {
		s.tell(t, n)
		return
	}
	s.gateways[n].reader.Forget(s.ctx, c.Users...)
	for _, user := range users {
		s.told(n, user, func(i *item) bool {
			return s.is.lateTail == 0 || i.visible.Sub(i.Time()) < s.is.lateTail
		})
	}
}

func (s *servers) shakeRedis(t *rapid.T) {
	switch rapid.IntRange(0, 2).Draw(t, "trouble") {
	case 0:
		s.must(s.redis.FlushAll(s.ctx).Err())
	case 1:
		s.saved = map[string]string{}
		for _, key := range s.redis.Keys(s.ctx, "*").Val() {
			s.saved[key] = s.redis.Get(s.ctx, key).Val()
		}
	case 2: // a replica that has fallen behind takes over
		s.must(s.redis.FlushAll(s.ctx).Err())
		for key, value := range s.saved {
			s.must(s.redis.Set(s.ctx, key, value, time.Hour).Err())
		}
		s.lost = time.Now()
	}
}

// end is after news of everything.
func (s *servers) end(t *rapid.T) {
	s.must(s.redis.FlushAll(s.ctx).Err())
	s.lost = time.Time{}
	for n := range s.gateways {
		s.tell(t, n)
	}
	s.drain(t)
}
