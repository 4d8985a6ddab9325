package latest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"sluice/backend"
	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shown = backend.Latest{At: 1764000000e6, ID: 1<<63 + 7, Sum: 1<<63 + 5, Covered: true, Aged: true}

// TestContract is what both caches promise.
func TestContract(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) Cache{
		"memory": func(*testing.T) Cache { return NewMemory(1 << 10) },
		"redis":  func(t *testing.T) Cache { return openRedis(t, servertest.StartRedis(t).URL) },
	} {
		t.Run(name, func(t *testing.T) {
			cache := open(t)
			for name, test := range map[string]func(*testing.T, Cache, string){
				"absent, stored, found": found,
				"users apart":           usersApart,
				"forgotten":             forgotten,
				"fence":                 fence,
				"age is of the read":    ageIsOfTheRead,
				"odd users":             oddUsers,
				"no ticket":             noTicket,
			} {
				t.Run(name, func(t *testing.T) { test(t, cache, name) })
			}
		})
	}
}

func openRedis(t *testing.T, url string) *Redis { return openRedisWithin(t, url, 5*time.Second) }

func openRedisWithin(t *testing.T, url string, timeout time.Duration) *Redis {
	t.Helper()
	client, err := redisconn.Open(url, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return NewRedis(client, timeout)
}

func found(t *testing.T, c Cache, user string) {
	l := c.Get(t.Context(), user)
	if l.Result != Absent {
		t.Fatalf("a new user is %s", l.Result)
	}
	for _, want := range []backend.Latest{shown, {}, {At: -1, ID: 3}} {
		l = c.Get(t.Context(), user)
		c.Put(t.Context(), user, l.Ticket, want)
		if got := c.Get(t.Context(), user); got.Result != Found || got.Latest != want || got.Age < 0 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func usersApart(t *testing.T, c Cache, user string) {
	c.Put(t.Context(), user, c.Get(t.Context(), user).Ticket, shown)
	if l := c.Get(t.Context(), user+"2"); l.Result != Absent {
		t.Errorf("another user is %s", l.Result)
	}
}

func forgotten(t *testing.T, c Cache, user string) {
	users := []string{user, user + "2"}
	for _, user := range users {
		c.Put(t.Context(), user, c.Get(t.Context(), user).Ticket, shown)
	}
	c.Forget(t.Context(), users...)
	for _, user := range users {
		if l := c.Get(t.Context(), user); l.Result != Absent {
			t.Errorf("a forgotten user is %s", l.Result)
		}
	}
}

// A read that began before a change must not store what it saw.
func fence(t *testing.T, c Cache, user string) {
	before := c.Get(t.Context(), user).Ticket
	c.Forget(t.Context(), user)
	c.Put(t.Context(), user, before, shown)
	if l := c.Get(t.Context(), user); l.Result != Absent {
		t.Errorf("stored without an entry: %s", l.Result)
	}
	c.Put(t.Context(), user, before, shown)
	if l := c.Get(t.Context(), user); l.Result != Absent {
		t.Errorf("stored over another's entry: %s", l.Result)
	}
}

// The age counts from the lookup before the read, not from its end.
func ageIsOfTheRead(t *testing.T, c Cache, user string) {
	early := c.Get(t.Context(), user).Ticket
	var late Ticket
	servertest.Eventually(t, "the cache's clock goes on", func() bool {
		late = c.Get(t.Context(), user).Ticket
		return late.at > early.at+2000
	})
	c.Put(t.Context(), user, early, shown)
	if l := c.Get(t.Context(), user); l.Age < 2*time.Millisecond {
		t.Errorf("age %s, though the read began over 2 ms ago", l.Age)
	}
}

func oddUsers(t *testing.T, c Cache, _ string) {
	for _, user := range []string{"a", "a b", "{x}", "ü", "*", "a\r\nDEL b", "0b0e6f1e-6f0f-4a3e-9d51-0f6f6d1f2a3b", strings.Repeat("x", 255)} {
		want := backend.Latest{At: 5, ID: uint64(len(user))}
		c.Put(t.Context(), user, c.Get(t.Context(), user).Ticket, want)
		if l := c.Get(t.Context(), user); l.Latest != want {
			t.Errorf("%q: %+v", user, l)
		}
	}
}

func noTicket(t *testing.T, c Cache, user string) {
	c.Put(t.Context(), user, Ticket{}, shown)
	if l := c.Get(t.Context(), user); l.Result != Absent {
		t.Errorf("stored without a ticket: %s", l.Result)
	}
}

func TestMemoryKeepsTheActive(t *testing.T) {
	const most = 16
	m := NewMemory(most)
	m.Put(t.Context(), "active", m.Get(t.Context(), "active").Ticket, shown)
	for i := range 1000 {
		user := strconv.Itoa(i)
		m.Put(t.Context(), user, m.Get(t.Context(), user).Ticket, shown)
		if l := m.Get(t.Context(), "active"); l.Result != Found {
			t.Fatalf("after %d others: %s", i+1, l.Result)
		}
	}
	if n := m.users.Len(); n != most {
		t.Errorf("%d users kept, want %d", n, most)
	}
}

func TestRedisRefusesForeignAndDamagedEntries(t *testing.T) {
	server := servertest.StartRedis(t)
	c, raw := openRedis(t, server.URL), rawClient(t, server)
	for name, spoil := range map[string]func(value string) string{
		"another user's":  func(string) string { return copyOf(t, c, raw, "mallory") },
		"truncated":       func(v string) string { return v[:20] },
		"another check":   func(v string) string { return v[:15] + "\xff\xff\xff\xff" + v[19:] },
		"too long":        func(v string) string { return v + "x" },
		"without a nonce": func(string) string { return "x" },
	} {
		t.Run(name, func(t *testing.T) {
			value := copyOf(t, c, raw, "alice")
			if err := raw.Set(t.Context(), key("alice"), spoil(value), 0).Err(); err != nil {
				t.Fatal(err)
			}
			if l := c.Get(t.Context(), "alice"); l.Result != Failed {
				t.Errorf("taken as %s: %+v", l.Result, l)
			}
		})
	}
}

func TestRedisHealsAForeignEntry(t *testing.T) {
	server := servertest.StartRedis(t)
	c, raw := openRedis(t, server.URL), rawClient(t, server)
	if err := raw.Set(t.Context(), key("alice"), copyOf(t, c, raw, "mallory"), 0).Err(); err != nil {
		t.Fatal(err)
	}
	c.Put(t.Context(), "alice", c.Get(t.Context(), "alice").Ticket, shown)
	if l := c.Get(t.Context(), "alice"); l.Result != Found {
		t.Errorf("still %s after a read", l.Result)
	}
}

func rawClient(t *testing.T, server *servertest.Redis) *redis.Client {
	t.Helper()
	raw := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { raw.Close() })
	return raw
}

func copyOf(t *testing.T, c Cache, raw *redis.Client, user string) string {
	t.Helper()
	c.Put(t.Context(), user, c.Get(t.Context(), user).Ticket, shown)
	value, err := raw.Get(t.Context(), key(user)).Result()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestRedisEntriesGoAway(t *testing.T) {
	server := servertest.StartRedis(t)
	c, raw := openRedis(t, server.URL), rawClient(t, server)
	l := c.Get(t.Context(), "alice")
	for range 2 {
		if ttl := raw.PTTL(t.Context(), key("alice")).Val(); ttl <= 0 || ttl > garbage {
			t.Errorf("an entry lives %s, want up to %s", ttl, garbage)
		}
		c.Put(t.Context(), "alice", l.Ticket, shown)
	}
}

func TestRedisDownOrHanging(t *testing.T) {
	server := servertest.StartRedis(t)
	c := openRedisWithin(t, server.URL, 20*time.Millisecond)
	ticket := c.Get(t.Context(), "alice").Ticket
	failing := func(what string) {
		if l := c.Get(t.Context(), "alice"); l.Result != Failed || l.Ticket != (Ticket{}) {
			t.Errorf("%s: %+v", what, l)
		}
		c.Put(t.Context(), "alice", ticket, shown)
		c.Forget(t.Context(), "alice")
		if c.Ping(t.Context()) == nil {
			t.Errorf("%s: answers a ping", what)
		}
	}
	server.Freeze()
	began := time.Now()
	failing("hanging")
	// Four operations of 20 ms; go-redis by itself would wait 3 s for each.
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("a server that hangs holds up its callers for %s", took)
	}
	server.Thaw()
	server.Kill()
	failing("down")
	server.Start(t)
	servertest.Eventually(t, "the cache comes back by itself", func() bool {
		return c.Get(context.Background(), "alice").Result == Absent
	})
}
