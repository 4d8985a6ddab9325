package chaos

import (
	"testing"
	"time"

	"sluice/internal/servertest"
)

// between is how long everybody polls in peace before and after a change.
const between = 5 * time.Second

// A Redis primary dies, and a replica takes over, which may not have heard the last.
func TestSentinelFailsOver(t *testing.T) {
	onlySoaking(t)
	s := servertest.StartSentinel(t)
	w := newWorld(t, 3, "", s.URL)
	a := w.gather(t, few)
	a.books.begin("Sentinel", true)
	time.Sleep(between)
	a.books.begin("a Redis primary is killed", true)
	began, primary := time.Now(), s.Servers[0]
	primary.Kill()
	servertest.Eventually(t, "the sentinels agree on another", func() bool { p := s.Primary(); return p != "" && p != primary.Addr })
	t.Logf("figure: Sentinel, from the death of the primary to the agreement on another | %s", ms(time.Since(began)))
	a.books.begin("another Redis primary", true)
	time.Sleep(between)
	a.books.begin("the old Redis primary comes back, as a replica", true)
	primary.Start(t)
	time.Sleep(between)
	a.settle()
}

// Slots move from node to node of a Redis Cluster.
func TestClusterMovesSlots(t *testing.T) {
	onlySoaking(t)
	c := servertest.StartCluster(t)
	w := newWorld(t, 3, "", c.URL)
	a := w.gather(t, few)
	a.books.begin("Cluster", true)
	time.Sleep(between)
	const slots = 1000
	a.books.begin("slots of a Redis Cluster move", true)
	began := time.Now()
	c.MoveSlots(t, 0, 1, slots)
	c.MoveSlots(t, 1, 2, slots)
	t.Logf("figure: Cluster, %d slots moved twice | in %s", slots, ms(time.Since(began)))
	a.books.begin("slots of a Redis Cluster have moved", true)
	time.Sleep(between)
	a.settle()
}

func onlySoaking(t *testing.T) {
	if soak == 0 {
		t.Skip("only with SLUICE_SOAK; ./scripts/soak")
	}
}
