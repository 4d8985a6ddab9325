package servertest

import (
	"strings"
	"testing"
)

func TestSentinel(t *testing.T) {
	s := StartSentinel(t)
	if p := s.Primary(); p != s.Servers[0].Addr {
		t.Fatalf("the primary is %s", p)
	}
	s.Servers[0].Kill()
	Eventually(t, "another server is the primary", func() bool {
		p := s.Primary()
		return p == s.Servers[1].Addr || p == s.Servers[2].Addr
	})
	s.Servers[0].Start(t)
	Eventually(t, "the old primary is a replica", func() bool {
		return strings.Contains(s.Servers[0].cli("info", "replication"), "role:slave")
	})
}

func TestCluster(t *testing.T) {
	c := StartCluster(t)
	owned := func(n int) int { return strings.Count(c.nodes[n].cli("cluster", "nodes"), "connected") }
	if owned(0) != 3 {
		t.Errorf("the cluster has %d nodes", owned(0))
	}
	c.nodes[0].cli("-c", "set", "key", "kept")
	c.MoveSlots(t, 0, 1, 100)
	c.MoveSlots(t, 1, 2, 100)
	if got := c.nodes[0].cli("-c", "get", "key"); !strings.Contains(got, "kept") {
		t.Errorf("after slots have moved: %q", got)
	}
}
