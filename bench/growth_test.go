package bench

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"sluice/bench/lab"
	"sluice/internal/servertest"
)

const (
	memory      = "RSS MB"
	redisMemory = "Redis bytes per user"
)

// What a poll costs when few users are known, and when very many are.
func TestGrowth(t *testing.T) {
	lab.Need(t, "wrk", "redis-server", "taskset")
	few, many := lab.Pick(1000, 1000, 20), lab.Pick(1_000_000, 50_000, 2000)
	ofFew, ofMany := "Sluice, "+lab.Number(float64(few))+" users", "Sluice, "+lab.Number(float64(many))+" users"
	lab.Record(t, lab.Experiment{
		Title: "Growth", Method: "wrk, 64 connections, 200,000 different warm empty polls, of users at random. All known users have an item that has expired, and have polled before.",
		Columns:  []string{lab.ServerCPU, lab.Rate, memory, redisMemory},
		Measured: lab.InterleaveTimes(t, lab.Turns, known(t, ofFew, few), known(t, ofMany, many)),
		Rows: []lab.Row{
			{Work: "Cost per poll as known users grow", Figure: lab.ServerCPU, Of: ofMany, Against: ofFew, AtMost: 1.1,
				Why: "of a million users nothing is in the processor's caches, and a place in memory that far away takes these machines 0.25 to 0.4 µs: credential, flag, limit and place, each in a table of its own, are half of it; the rest is what else is no longer in the caches, the system's part of a poll and new memory"},
			{Work: "Redis for each active user", Figure: redisMemory, Of: ofMany, AtMost: 200},
		},
	})
}

// mostPolling is how many different requests are sent, by as many users at most: about as
// many as are answered in three seconds. They differ for few users too, so that the load, which
// is not in the processor's caches either, comes as fast.
const mostPolling = 200_000

// known is a gateway that so many users have polled, whose entries are in its memory
// and in Redis.
func known(t testing.TB, name string, users int) lab.Contender {
	t.Helper()
	server := servertest.StartRedis(t)
	a := newApp(t, 0)
	a.must(t, `WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i + 1 < $1)
		INSERT INTO notifications(id, user_id, level, title, text, created_at, expires_at)
		SELECT lower(hex(randomblob(16))), printf($2, i), 'info', 'T', 'T', datetime('now', '-2 hours'), '2000-01-01 00:00:00' FROM g`, users, uuidOf)
	s := a.serve(t, "SLUICE_REDIS_URL="+server.URL, "SLUICE_REDIS_TIMEOUT=5s") // so that all of them get there
	everybody := lab.Requests{Base: s.url, Body: emptyPoll}
	for i := range users {
		everybody.Each = append(everybody.Each, lab.Request{Target: pollPath + "?after_id=0", Cookie: cookie(t, fmt.Sprintf(uuidOf, i))})
	}
	before, _ := contents(t, server)
	everybody.Once(t)
	after, keys := contents(t, server)
	if keys < users {
		t.Errorf("Redis holds %d of %d users", keys, users)
	}
	each := float64(after-before) / float64(users)
	rand.Shuffle(users, func(i, j int) { everybody.Each[i], everybody.Each[j] = everybody.Each[j], everybody.Each[i] })
	r := &lab.Requests{Base: s.url, Body: emptyPoll}
	for i := range lab.Pick(mostPolling, mostPolling, 20) {
		each := everybody.Each[i%users]
		each.Cookie += fmt.Sprintf("; n=%06d", i)
		r.Each = append(r.Each, each)
	}
	return lab.Contender{
		Name: name, What: "with Redis, and `redis.timeout: 5s`",
		Run: func(t testing.TB) lab.Figures {
			f := r.Saturate(t, s.PID(), server.PID())
			f[memory], f[redisMemory] = float64(lab.RSS(t, s.PID()))/1e6, each
			return f
		},
	}
}

// uuidOf is the format of a user's id: as long as those of apps are.
const uuidOf = "%08d-0000-4000-8000-000000000000"

// contents is what all of Redis takes, in bytes, and how many keys it has.
func contents(t testing.TB, server *servertest.Redis) (bytes, keys int) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	info, err := client.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	if bytes, err = strconv.Atoi(regexp.MustCompile(`used_memory:(\d+)`).FindStringSubmatch(info)[1]); err != nil {
		t.Fatal(err)
	}
	n, err := client.DBSize(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return bytes, int(n)
}
