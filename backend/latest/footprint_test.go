package latest

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice/internal/bounded/boundedtest"
	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

// perUser is what an active user may cost in Redis, in bytes.
const perUser = 200

// footprintUsers is how many users are measured; a soak test asks for a million.
func footprintUsers(t *testing.T) int {
	text := os.Getenv("SLUICE_TEST_USERS")
	if text == "" {
		return 30_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("SLUICE_TEST_USERS: ", err)
	}
	return n
}

// Nothing of a million users is work of the garbage collector.
func TestMemoryHasNoPointers(t *testing.T) { boundedtest.NoPointers[entry](t) }

// An active user costs Redis little: all of the server's memory counts, its
// tables and the expiry of keys included.
func TestRedisFootprint(t *testing.T) {
	users, server := footprintUsers(t), servertest.StartRedis(t)
	client, err := redisconn.Open(server.URL, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cache := NewRedis(client, 5*time.Second)
	usedMemory := func() int {
		info, err := client.Info(context.Background(), "memory").Result()
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`used_memory:(\d+)`).FindStringSubmatch(info)
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	fill(t, cache, 1000) // connections and scripts, which do not grow with the users
	before := usedMemory()
	fill(t, cache, users)
	cost := float64(usedMemory()-before) / float64(users)
	t.Logf("figure: Redis memory for each of %d active users | %.1f bytes, promised at most %d", users, cost, perUser)
	if cost > perUser {
		t.Errorf("%.1f bytes a user, want at most %d", cost, perUser)
	}
}

// fill looks new users up and stores what a read showed of them, as polls do.
func fill(t *testing.T, cache *Redis, users int) {
	const workers = 8
	var filling sync.WaitGroup
	for range workers {
		filling.Go(func() {
			var user string
			for range users / workers {
				user = uuid.NewString()
				cache.Put(t.Context(), user, cache.Get(t.Context(), user).Ticket, shown)
			}
			if l := cache.Get(t.Context(), user); l.Result != Found {
				t.Errorf("%s is %s after Put", user, l.Result)
			}
		})
	}
	filling.Wait()
}
