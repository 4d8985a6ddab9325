package chaos

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"sluice/internal/servertest"
)

const (
	// mostGrowth is how much more live memory the faults may leave behind. What is resident
	// grows for a while: Go lets garbage become as much as is in use.
	mostGrowth = 1.25
	// calmFor is how long no poll must fail for an outage to be over.
	calmFor = 3 * time.Second
)

// A crowd holds streams and polls one gateway while links break: 10,000 streams and
// 2,000 polls a second in a soak test. Nothing is lost, memory stays flat, and nothing
// is left behind when everybody has gone.
func TestCrowd(t *testing.T) {
	size := gathering{users: 200, holders: 200, arrive: time.Second, pace: time.Second, write: 20 * time.Millisecond}
	if soak > 0 {
		size = gathering{users: 10_000, holders: 10_000, arrive: time.Minute, pace: 5 * time.Second, write: 10 * time.Millisecond}
	}
	needFiles(t, size.holders+2000)
	r := servertest.StartRedis(t)
	w := newWorld(t, 1, r.Addr, "", "SLUICE_POLL_CEILING=10s", "SLUICE_ADMIN_PPROF=true") // a stream waits no longer, after an outage
	g := w.gateways[0]
	start := g.vitals(t)
	a := w.gather(t, size)
	c := crowd{audience: a, gateway: g}
	c.suffer(t, fault{name: "everybody is there", calm: soak == 0, begin: func(*testing.T) {}, end: func(*testing.T) {}})
	full := g.vitals(t)
	if open := g.metric(t, "sluice_compat_streams"); open < 0.95*float64(size.holders) {
		t.Errorf("%v streams are held, want %d", open, size.holders)
	}
	t.Logf("figure: at the start; with %d streams and %.0f polls a second | %s; %s, %.1f KiB for each stream", size.holders,
		float64(size.users)/size.pace.Seconds(), start, full, float64(full.memory-start.memory)/float64(size.holders)/1024)
	began := time.Now()
	for round := 1; round == 1 || time.Since(began) < soak; round++ {
		for _, f := range c.faults(round) {
			t.Run(f.name, func(t *testing.T) { c.suffer(t, f) })
		}
	}
	c.suffer(t, fault{name: "whole again", calm: soak == 0, begin: func(*testing.T) {}, end: func(*testing.T) {}})
	last := g.vitals(t)
	if soak > 0 && float64(last.live) > mostGrowth*float64(full.live) {
		t.Errorf("live memory grew from %d to %d MB", full.live>>20, last.live>>20)
	}
	a.settle()
	t.Logf("figure: when all have gone | %s", g.returns(t, start))
}

// crowd is an audience before one gateway.
type crowd struct {
	*audience
	gateway *gateway
}

// faults are those of one round. So many polls may be more than the machine can answer
// besides the clients themselves, so some may be turned away; how many is printed.
func (c crowd) faults(round int) []fault {
	redis, postgres := c.gateway.redis, c.gateway.postgres
	all := []fault{onLinks("both are cut off", false, cut, redis, postgres)}
	if soak > 0 {
		all = append(all,
			onLinks("Redis is slow", false, latency(10, 5), redis),
			onLinks("Redis is cut off", false, cut, redis),
			onLinks("Redis is half open", false, halfOpen, redis),
			onLinks("PostgreSQL is slow", false, latency(2, 1), postgres),
			onLinks("PostgreSQL is cut off", false, cut, postgres),
			onLinks("PostgreSQL is half open", false, halfOpen, postgres),
		)
	}
	for i := range all {
		all[i].name = fmt.Sprintf("round %d: %s", round, all[i].name)
	}
	return all
}

// suffer is what audience.suffer is, and then waits until no poll fails any more.
func (c crowd) suffer(t *testing.T, f fault) {
	c.audience.suffer(t, f)
	c.t.Logf("figure: %s, at its end | %s, %d streams", f.name, c.gateway.vitals(t), int(c.gateway.metric(t, "sluice_compat_streams")))
	if f.calm {
		return
	}
	ended := time.Now()
	c.books.begin(f.name+", and after it", false)
	servertest.Within(t, time.Minute, "no poll fails any more", func() bool { return time.Since(c.books.failed()) > calmFor })
	c.t.Logf("figure: %s, until no poll failed any more | %s", f.name, ms(max(0, c.books.failed().Sub(ended))))
}

// needFiles says what to do if the process may not have so many files open, nor its
// children.
func needFiles(t *testing.T, n int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < uint64(n) {
		t.Fatalf("this test needs %d open files, and may have %d: raise the limit (ulimit -Hn %d)", n, limit.Max, n)
	}
}
