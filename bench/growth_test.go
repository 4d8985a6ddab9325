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
	few, many := "Sluice, 1,000 users", "Sluice, 1,000,000 users"
	lab.Record(t, lab.Experiment{
		Title: "Growth", Method: "wrk, 64 connections, warm empty polls of users at random, 200,000 at most. All known users have an item that has expired, and have polled before.",
		Columns:  []string{lab.ServerCPU, lab.Rate, memory, redisMemory},
		Measured: lab.Interleave(t, known(t, few, lab.Pick(1000, 1000, 20)), known(t, many, lab.Pick(1_000_000, 50_000, 2000))),
		Rows: []lab.Row{
			{Work: "Cost per poll from 1,000 to 1,000,000 known users", Figure: lab.ServerCPU, Of: many, Against: few, AtMost: 1.1},
			{Work: "Redis for each active user", Figure: redisMemory, Of: many, AtMost: 200},
		},
	})
}

// mostPolling is how many users poll while it is measured, at most: more than answers
// in one run.
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
	s := a.serve(t, "SLUICE_REDIS_URL="+server.URL)
	everybody := lab.Requests{Base: s.url, Body: emptyPoll}
	for i := range users {
		everybody.Each = append(everybody.Each, lab.Request{Target: pollPath + "?after_id=0", Cookie: cookie(t, fmt.Sprintf(uuidOf, i))})
	}
	before := usedMemory(t, server)
	everybody.Once(t)
	each := float64(usedMemory(t, server)-before) / float64(users)
	rand.Shuffle(users, func(i, j int) { everybody.Each[i], everybody.Each[j] = everybody.Each[j], everybody.Each[i] })
	r := &lab.Requests{Base: s.url, Body: emptyPoll, Each: everybody.Each[:min(users, mostPolling)]}
	return lab.Contender{
		Name: name, What: "as it comes, with Redis",
		Run: func(t testing.TB) lab.Figures {
			f := r.Saturate(t, s.PID(), server.PID())
			f[memory], f[redisMemory] = float64(lab.RSS(t, s.PID()))/1e6, each
			return f
		},
	}
}

// uuidOf is the format of a user's id: as long as those of apps are.
const uuidOf = "%08d-0000-4000-8000-000000000000"

// usedMemory is what all of Redis takes, in bytes.
func usedMemory(t testing.TB, server *servertest.Redis) int {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	info, err := client.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(regexp.MustCompile(`used_memory:(\d+)`).FindStringSubmatch(info)[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
