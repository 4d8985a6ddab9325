package latest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/backend"
	"sluice/internal/servertest"
)

// roundTrips counts the pipelines of a client.
type roundTrips struct{ n, most atomic.Int64 }

func (*roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (*roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)
		h.most.Store(max(h.most.Load(), int64(len(cmds))))
		return next(ctx, cmds)
	}
}

// stored makes so many users whose entries differ.
func stored(t *testing.T, cache *Redis, users int) {
	t.Helper()
	for i := range users {
		l := cache.Get(t.Context(), userName(i))
		cache.Put(t.Context(), userName(i), l.Ticket, backend.Latest{At: int64(i), ID: uint64(i) + 1})
	}
}

func userName(i int) string { return fmt.Sprint("user-", i) }

// lookAll looks users up at the same time.
func lookAll(ctx context.Context, cache *Redis, users int, each func(i int, l Lookup)) *sync.WaitGroup {
	var group sync.WaitGroup
	for i := range users {
		group.Go(func() { each(i, cache.Get(ctx, userName(i))) })
	}
	return &group
}

// held has Redis hang, with a lookup in each of its round trips.
func held(t *testing.T, cache *Redis, server *servertest.Redis) *sync.WaitGroup {
	t.Helper()
	var group sync.WaitGroup
	servertest.Eventually(t, "nothing is under way", func() bool { return cache.batches.state() == [2]int{} })
	server.Freeze()
	for i := range mostBatches {
		group.Go(func() { cache.Get(t.Context(), userName(i)) })
		servertest.Eventually(t, "it is under way", func() bool { return cache.batches.state() == [2]int{i + 1, 0} })
	}
	return &group
}

// state is how many round trips are under way, and how many calls wait.
func (b *batches) state() [2]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return [2]int{b.running, len(b.waiting)}
}

// What comes while Redis is busy goes in few round trips, and each poll gets its own
// user's entry.
func TestLookupsShareRoundTrips(t *testing.T) {
	server := servertest.StartRedis(t)
	cache, trips := openRedisWithin(t, server.URL, time.Minute), &roundTrips{}
	const users = 2 * mostInBatch
	stored(t, cache, users)
	cache.client.AddHook(trips)
	before := held(t, cache, server)
	group := lookAll(t.Context(), cache, users, func(i int, l Lookup) {
		if l.Result != Found || l.Latest.At != int64(i) {
			t.Errorf("user %d: %+v", i, l)
		}
	})
	servertest.Eventually(t, "all wait", func() bool { return cache.batches.state() == [2]int{mostBatches, users} })
	server.Thaw()
	before.Wait()
	group.Wait()
	servertest.Eventually(t, "nothing is left", func() bool { return cache.batches.state() == [2]int{} })
	if n, most := trips.n.Load(), trips.most.Load(); n != mostBatches+2 || most != mostInBatch {
		t.Errorf("%d round trips, of up to %d lookups", n, most)
	}
}

// So does what reads have shown, each under its own nonce: what was forgotten stays so.
func TestPutsShareRoundTrips(t *testing.T) {
	server := servertest.StartRedis(t)
	cache, trips := openRedisWithin(t, server.URL, time.Minute), &roundTrips{}
	const users = mostInBatch
	var tickets [users]Ticket
	for i := range users {
		tickets[i] = cache.Get(t.Context(), userName(i)).Ticket
		if i%2 == 0 {
			cache.Forget(t.Context(), userName(i))
		}
		if i%4 == 0 {
			cache.Get(t.Context(), userName(i)) // another read begins
		}
	}
	cache.client.AddHook(trips)
	before := held(t, cache, server)
	var group sync.WaitGroup
	for i := range users {
		group.Go(func() {
			cache.Put(t.Context(), userName(i), tickets[i], backend.Latest{At: int64(i), ID: uint64(i) + 1})
		})
	}
	servertest.Eventually(t, "all wait", func() bool { return cache.batches.state() == [2]int{mostBatches, users} })
	server.Thaw()
	before.Wait()
	group.Wait()
	if n := trips.n.Load(); n != mostBatches+1 {
		t.Errorf("%d round trips", n)
	}
	lookAll(t.Context(), cache, users, func(i int, l Lookup) {
		if stored := l.Result == Found && l.Latest.At == int64(i); stored == (i%2 == 0) {
			t.Errorf("user %d: %+v", i, l)
		}
	}).Wait()
}

// A Redis that was restarted does not know the script: it is told, and nobody notices.
func TestBatchesTeachANewRedis(t *testing.T) {
	server := servertest.StartRedis(t)
	cache := openRedis(t, server.URL)
	stored(t, cache, 50)
	for range 5 {
		if err := rawClient(t, server).ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		lookAll(t.Context(), cache, 50, func(i int, l Lookup) {
			if l.Result != Found || l.Latest.At != int64(i) {
				t.Errorf("user %d: %+v", i, l)
			}
		}).Wait()
	}
}

// Who goes away waits for nobody, and takes no one along.
func TestALookupThatIsGivenUp(t *testing.T) {
	server := servertest.StartRedis(t)
	cache := openRedisWithin(t, server.URL, time.Minute)
	stored(t, cache, 10)
	before := held(t, cache, server)
	ctx, cancel := context.WithCancel(t.Context())
	impatient := lookAll(ctx, cache, 10, func(_ int, l Lookup) {
		if l.Result != Failed {
			t.Errorf("given up: %+v", l)
		}
	})
	patient := lookAll(t.Context(), cache, 10, func(i int, l Lookup) {
		if l.Result != Found || l.Latest.At != int64(i) {
			t.Errorf("user %d: %+v", i, l)
		}
	})
	servertest.Eventually(t, "they wait", func() bool { return cache.batches.state() == [2]int{mostBatches, 20} })
	cancel()
	impatient.Wait()
	server.Thaw()
	before.Wait()
	patient.Wait()
}

// silentServer is one that takes everything and says nothing.
func silentServer(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	return here, nil
}

// A call ends when its time is up, however long it had to wait for those before it.
func TestACallHasATimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: silentServer, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
		defer client.Close()
		b := &batches{client: client, timeout: 100 * time.Millisecond}
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				start := time.Now()
				if _, err := b.run(t.Context(), getScript, "alice", "nonce", 1); err == nil || time.Since(start) > b.timeout {
					t.Errorf("%d after %v: %v", i, time.Since(start), err)
				}
			})
		}
		group.Wait()
	})
}

func BenchmarkRedisLookups(b *testing.B) {
	server := servertest.StartRedis(b)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, PoolSize: 128})
	defer client.Close()
	for name, cache := range map[string]*Redis{"batches": NewRedis(client, time.Second), "one by one": {client: client, timeout: time.Second, breaker: NewRedis(client, time.Second).breaker}} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if l := cache.Get(b.Context(), "alice"); l.Result == Failed {
						b.Fatal("failed")
					}
				}
			})
		})
	}
}
