package census

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

// gateways of a test share one Redis.
type gateways struct {
	t      *testing.T
	client redis.UniversalClient
	said   []error // what Failing was told
}

func over(t *testing.T, url string) *gateways {
	t.Helper()
	client, err := redisconn.Open(url, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return &gateways{t: t, client: client}
}

func (g *gateways) start() *Census {
	return New(Options{Redis: g.client, Timeout: 2 * time.Second, Failing: func(err error) { g.said = append(g.said, err) }})
}

// after exchanges, and returns the count.
func (g *gateways) after(c *Census) Count {
	g.t.Helper()
	c.exchange(g.t.Context())
	got, err := c.Count()
	if err != nil {
		g.t.Fatal(err)
	}
	return got
}

func (g *gateways) wants(c *Census, users uint64) {
	g.t.Helper()
	if got := g.after(c); got.Users != users {
		g.t.Errorf("%d users, want %d", got.Users, users)
	}
}

// hour is Redis's clock in hours.
func (g *gateways) hour() int64 {
	g.t.Helper()
	now, err := g.client.Time(g.t.Context()).Result()
	if err != nil {
		g.t.Fatal(err)
	}
	return now.Unix() / 3600
}

func key(hour int64) string { return fmt.Sprintf("%s:%d", sharedKey, hour) }

// counting makes it look as if there had been a count for so long.
func (g *gateways) counting(since time.Duration) {
	g.t.Helper()
	ctx, now := g.t.Context(), time.Now()
	for at := now.Add(-since); !at.After(now); at = at.Add(time.Hour) {
		g.client.PFAdd(ctx, key(at.Unix()/3600))
	}
	g.client.PFAdd(ctx, key(g.hour()))
	if err := g.client.Set(ctx, sharedKey, fmt.Sprint(now.Add(-since).Unix(), " ", now.Unix()), 0).Err(); err != nil {
		g.t.Fatal(err)
	}
}

func TestGatewaysCountTogether(t *testing.T) {
	for name, url := range map[string]string{"a server": servertest.StartRedis(t).URL, "a Cluster": servertest.StartCluster(t).URL} {
		t.Run(name, func(t *testing.T) {
			g := over(t, url)
			a, b := g.start(), g.start()
			g.wants(a, 0)
			a.Enter("alice")
			a.Enter("bob")()
			g.wants(a, 2)
			g.wants(b, 2)
			b.Enter("bob")
			b.Enter("carol")
			g.wants(b, 3)
			g.wants(a, 3)
			if len(a.users) != 1 || len(b.users) != 2 {
				t.Errorf("kept of those who have left: %d, %d", len(a.users)-1, len(b.users)-2)
			}
		})
	}
}

// Only hashes of users are in Redis, and all of it goes away by itself.
func TestWhatIsInRedis(t *testing.T) {
	g := over(t, servertest.StartRedis(t).URL)
	c := g.start()
	c.Enter("alice")
	g.wants(c, 1)
	keys, err := g.client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 2 {
		t.Fatal(keys, err)
	}
	for _, k := range keys {
		if life := g.client.TTL(t.Context(), k).Val(); life < 25*time.Hour || life > 26*time.Hour {
			t.Errorf("%s lives for %s", k, life)
		}
	}
}

// The hour that has begun counts, and 24 whole ones before it.
func TestHoursThatCount(t *testing.T) {
	g := over(t, servertest.StartRedis(t).URL)
	c := g.start()
	for {
		hour := g.hour()
		for _, ago := range []int64{1, 12, 24, 25, 30} {
			g.client.PFAdd(t.Context(), key(hour-ago), fmt.Sprint("user of then ", ago))
		}
		g.client.PFAdd(t.Context(), key(hour+1), "a user of the next hour")
		got := g.after(c)
		if hour != g.hour() {
			continue // an hour has begun meanwhile
		}
		if got.Users != 3 {
			t.Errorf("%d users", got.Users)
		}
		return
	}
}

// A stream that stays open is told of again, in each hour of it.
func TestAStreamThatStaysOpen(t *testing.T) {
	g := over(t, servertest.StartRedis(t).URL)
	c := g.start()
	leave := c.Enter("alice")
	g.wants(c, 1)
	g.client.FlushAll(t.Context())
	g.wants(c, 0) // Redis has been told a moment ago
	c.start = c.start.Add(-renew)
	g.wants(c, 1)
	g.client.FlushAll(t.Context())
	leave()
	g.wants(c, 1)
	if len(c.users) != 0 {
		t.Error("kept after the end")
	}
}

func TestMoreThanABatch(t *testing.T) {
	g := over(t, servertest.StartRedis(t).URL)
	c := g.start()
	for i := range 2*batch + 500 {
		c.Enter(fmt.Sprint(i))()
	}
	if got := g.after(c); got.Users < 2400 || got.Users > 2600 { // 0.81 % standard error
		t.Errorf("%d users", got.Users)
	}
}

// How long was counted outlives restarts, and a silence as long as one takes.
func TestSinceOutlivesRestarts(t *testing.T) {
	g := over(t, servertest.StartRedis(t).URL)
	g.counting(30 * time.Hour)
	for range 2 {
		if since := time.Since(g.after(g.start()).Since); since < 30*time.Hour || since > 30*time.Hour+time.Minute {
			t.Errorf("counted for %s", since)
		}
	}
}

// Where some of the count is lost, it begins anew; who is known still counts.
func TestSinceBeginsAnew(t *testing.T) {
	g := over(t, servertest.StartRedis(t).URL)
	run := func(since, last time.Duration) {
		now := time.Now()
		g.client.Set(t.Context(), sharedKey, fmt.Sprint(now.Add(-since).Unix(), " ", now.Add(-last).Unix()), 0)
	}
	for name, lose := range map[string]func(){
		"all of it":         func() { g.client.FlushAll(t.Context()) },
		"since when":        func() { g.client.Del(t.Context(), sharedKey) },
		"this hour":         func() { run(30*time.Hour, 0); g.client.Del(t.Context(), key(g.hour())) },
		"an hour":           func() { g.client.Del(t.Context(), key(g.hour()-5)) },
		"the first hour":    func() { g.client.Del(t.Context(), key(g.hour()-23)) },
		"a silence":         func() { run(30*time.Hour, gap+time.Minute) },
		"a clock set back":  func() { run(30*time.Hour, -2*gap) },
		"what cannot be it": func() { g.client.Set(t.Context(), sharedKey, "nonsense", 0) },
	} {
		g.client.FlushAll(t.Context())
		g.counting(30 * time.Hour)
		g.client.PFAdd(t.Context(), key(g.hour()-2), "a user")
		lose()
		got := g.after(g.start())
		if since := time.Since(got.Since); since > time.Minute {
			t.Errorf("%s lost: counted for %s", name, since)
		}
		if got.Users != 1 && name != "all of it" {
			t.Errorf("%s lost: %d users", name, got.Users)
		}
	}
}

// Redis down is not known, never 0; who came meanwhile is told of later.
func TestRedisDownIsUnknown(t *testing.T) {
	server := servertest.StartRedis(t)
	g := over(t, server.URL)
	c := g.start()
	unknown := func() {
		t.Helper()
		if got, err := c.Count(); err == nil {
			t.Errorf("%d users, though that is not known", got.Users)
		}
	}
	unknown()
	c.Enter("alice")
	g.wants(c, 1)
	server.Kill()
	for range 2 {
		c.exchange(t.Context())
		unknown()
	}
	c.Enter("bob")()
	server.Start(t)
	g.wants(c, 1) // and alice, whose stream is open, within ten minutes
	c.start = c.start.Add(-renew)
	g.wants(c, 2)
	c.start = c.start.Add(-believed - 1) // as if Run hung
	unknown()
	if len(g.said) != 2 || g.said[0] == nil || g.said[1] != nil {
		t.Errorf("said %v", g.said)
	}
}

// A Redis that hangs holds up nobody who opens a stream or leaves.
func TestNobodyWaitsForRedis(t *testing.T) {
	server := servertest.StartRedis(t)
	g := over(t, server.URL)
	c := g.start()
	server.Freeze()
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() { defer close(ran); c.Run(ctx) }()
	start := time.Now()
	for i := range 1000 {
		c.Enter(fmt.Sprint(i))()
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	server.Thaw()
	stop()
	<-ran // tells Redis before it ends
	if got := g.after(g.start()); got.Users < 950 {
		t.Errorf("%d users", got.Users)
	}
}
