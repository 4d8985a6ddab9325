package scale

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/backend"
	"sluice/backend/latest"
	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

// info is a number of Redis's INFO, the first after a text.
func info(t *testing.T, client redis.UniversalClient, part, before string) int64 {
	t.Helper()
	text, err := client.Info(context.Background(), part).Result()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(before + `(\d+)`).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func realRedis(t *testing.T) (redis.UniversalClient, *latest.Redis) {
	t.Helper()
	client, err := redisconn.Open(servertest.StartRedis(t).URL, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, latest.NewRedis(client, 5*time.Second)
}

// The model answers, keeps and counts what the real client and server do.
func TestRedisModelIsRedis(t *testing.T) {
	const users = 20
	ctx, r := t.Context(), rand.New(rand.NewPCG(2, 2))
	client, there := realRedis(t)
	model := newRedisModel(users)
	type tickets struct{ there, model latest.Ticket }
	var held [users][]tickets
	for n := range 4000 {
		i := r.IntN(users)
		user := fmt.Sprintf(nameFormat, i)
		switch kind := r.IntN(10); {
		case kind < 5:
			a, b := there.Get(ctx, user), model.Get(ctx, user)
			if a.Result != b.Result || a.Latest != b.Latest {
				t.Fatalf("step %d: Redis has %s %v, the model %s %v", n, a.Result, a.Latest, b.Result, b.Latest)
			}
			held[i] = append(held[i], tickets{a.Ticket, b.Ticket})
		case kind < 8 && len(held[i]) > 0:
			// What was forgotten since the lookup must not come back.
			ticket := held[i][len(held[i])-1]
			l := backend.Latest{At: int64(n), ID: uint64(n), Covered: true}
			there.Put(ctx, user, ticket.there, l)
			model.Put(ctx, user, ticket.model, l)
		case kind == 9:
			there.Forget(ctx, user)
			model.Forget(ctx, user)
		}
	}
	size, err := client.DBSize(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	scripts := info(t, client, "commandstats", `cmdstat_evalsha:calls=`) + info(t, client, "commandstats", `cmdstat_eval:calls=`)
	unlinks := info(t, client, "commandstats", `cmdstat_unlink:calls=`)
	if int(size) != model.keys() || unlinks != model.unlinks.Load() || math.Abs(float64(scripts-model.gets.Load()-model.puts.Load())) > 2 {
		t.Errorf("Redis has %d keys, %d scripts and %d unlinks, the model %d, %d + %d and %d",
			size, scripts, unlinks, model.keys(), model.gets.Load(), model.puts.Load(), model.unlinks.Load())
	}
}

// The bytes of each command are those that Redis counts.
func TestBytesOfACommand(t *testing.T) {
	const many = 2000
	ctx := t.Context()
	client, cache := realRedis(t)
	traffic := func() int64 {
		return info(t, client, "stats", `total_net_input_bytes:`) + info(t, client, "stats", `total_net_output_bytes:`)
	}
	user := fmt.Sprintf(nameFormat, 7)
	ticket := cache.Get(ctx, user).Ticket
	cache.Put(ctx, user, ticket, backend.Latest{At: 1, ID: 1})
	for name, c := range map[string]struct {
		want float64
		do   func()
	}{
		"get":    {getBytes, func() { cache.Get(ctx, user) }},
		"put":    {putBytes, func() { cache.Put(ctx, user, ticket, backend.Latest{At: 1, ID: 1}) }},
		"unlink": {unlinkBytes, func() { cache.Forget(ctx, "user-00000000008") }},
	} {
		before := traffic()
		for range many {
			c.do()
		}
		got := float64(traffic()-before) / many
		t.Logf("a %s is %.0f bytes", name, got)
		if math.Abs(got/c.want-1) > 0.1 {
			t.Errorf("a %s is %.0f bytes, said to be %.0f", name, got, c.want)
		}
	}
}
