package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/internal/servertest"
)

// fault is something that breaks, and is whole again after a while.
type fault struct {
	name  string
	calm  bool          // polls must not fail
	lasts time.Duration // in the short form; zero: usual
	begin func(t *testing.T)
	end   func(t *testing.T)
}

const (
	usual = 2500 * time.Millisecond
	// longer is how much longer faults last in a soak test.
	longer = 4
)

// onLinks makes links bad for a while.
func onLinks(name string, calm bool, bad toxic, links ...*link) fault {
	return fault{
		name: name, calm: calm,
		begin: func(t *testing.T) {
			for _, l := range links {
				l.poison(t, bad)
			}
		},
		end: func(t *testing.T) {
			for _, l := range links {
				l.heal(t)
			}
		},
	}
}

// hitting does something to a server for a while.
func hitting(name string, calm bool, begin func(), end func(t *testing.T)) fault {
	return fault{name: name, calm: calm, begin: func(*testing.T) { begin() }, end: end}
}

func (w *world) faults(r *servertest.Redis) []fault {
	var toRedis, toPostgres []*link
	for _, g := range w.gateways {
		toRedis, toPostgres = append(toRedis, g.redis), append(toPostgres, g.postgres)
	}
	slowClose := onLinks("Redis closes connections, slowly", true, lingers, toRedis...)
	poison := slowClose.begin
	slowClose.begin = func(t *testing.T) {
		poison(t)
		closeClients(t, r.Addr)
	}
	hangs := onLinks("PostgreSQL is half open", false, halfOpen, toPostgres...)
	hangs.lasts = 7 * time.Second // longer than the tail is believed
	return []fault{
		{name: "nothing", calm: true, begin: func(*testing.T) {}, end: func(*testing.T) {}},
		onLinks("Redis is slow", true, latency(20, 10), toRedis...),
		onLinks("Redis is too slow", true, latency(150, 50), toRedis...),
		onLinks("Redis is cut off", true, cut, toRedis...),
		onLinks("Redis is cut off from one gateway", true, cut, toRedis[0]),
		onLinks("Redis is half open", true, halfOpen, toRedis...),
		hitting("Redis is frozen", true, r.Freeze, func(*testing.T) { r.Thaw() }),
		slowClose,
		hitting("Redis is killed", true, r.Kill, func(t *testing.T) { r.Start(t) }),
		onLinks("PostgreSQL is slow", true, latency(20, 10), toPostgres...),
		onLinks("PostgreSQL is cut off", false, cut, toPostgres...),
		hangs,
		hitting("PostgreSQL is frozen", false, w.postgres.Freeze, func(*testing.T) { w.postgres.Thaw() }),
		hitting("PostgreSQL is killed", false, w.postgres.Kill, func(t *testing.T) { w.postgres.Start(t) }),
		hitting("a gateway is killed", true, w.gateways[0].kill, func(*testing.T) { w.gateways[0].restart() }),
	}
}

func closeClients(t *testing.T, addr string) {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	if err := client.Do(context.Background(), "CLIENT", "KILL", "TYPE", "normal").Err(); err != nil {
		t.Error(err)
	}
}

func TestFaults(t *testing.T) {
	r := servertest.StartRedis(t)
	w := newWorld(t, 3, r.Addr, "")
	w.late = soak > 0 // would make the short form a minute longer
	a := w.gather(t, few)
	began := time.Now()
	for round := 1; round == 1 || time.Since(began) < soak; round++ {
		faults := w.faults(r)
		if round > 1 {
			rand.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		}
		for _, f := range faults {
			if round > 1 && time.Since(began) > soak {
				break
			}
			if soak > 0 {
				f.name = fmt.Sprintf("round %d: %s", round, f.name)
			}
			t.Run(f.name, func(t *testing.T) { a.suffer(t, f) })
		}
	}
	a.settle()
}

// suffer breaks something for a while, and waits until all gateways are well.
func (a *audience) suffer(t *testing.T, f fault) {
	lasts := usual
	if f.lasts > 0 {
		lasts = f.lasts
	}
	if soak > 0 {
		lasts *= longer
	}
	a.books.begin(f.name, f.calm)
	f.begin(t)
	time.Sleep(lasts) // how long the fault lasts is what is tested
	f.end(t)
	probe := a.newReader(t, "nobody", a.pollers[0].http, few)
	for _, g := range a.gateways {
		servertest.Eventually(t, "the gateway answers polls again", func() bool {
			_, err := probe.ask(g, 1)
			return err == nil
		})
	}
}
