package servertest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// group is the name of a primary and its replicas to Sentinel.
const group = "sluice"

// Sentinel is a Redis with two replicas and three sentinels over them.
type Sentinel struct {
	URL       string   // for redis.url
	Servers   []*Redis // the first is the primary to begin with
	sentinels []*Redis
}

// StartSentinel starts all of them. A primary counts as down after a second.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	s := &Sentinel{Servers: []*Redis{StartRedis(t)}}
	primary := s.Servers[0]
	for range 2 {
		s.Servers = append(s.Servers, startRedis(t, FreePort(t), "--replicaof", "127.0.0.1", strconv.Itoa(primary.port)))
	}
	query := url.Values{"master_name": {group}}
	for range 3 {
		port, file := FreePort(t), filepath.Join(t.TempDir(), "sentinel.conf")
		config := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 5000\n", group, primary.port)
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinel := startRedis(t, port, file, "--sentinel")
		if s.sentinels = append(s.sentinels, sentinel); s.URL == "" {
			s.URL = "redis://" + sentinel.Addr
		} else {
			query.Add("addr", sentinel.Addr)
		}
	}
	s.URL += "?" + query.Encode()
	for _, sentinel := range s.sentinels {
		Eventually(t, "a sentinel knows all the others", func() bool {
			info := sentinel.cli("info", "sentinel")
			return strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=2,sentinels=3")
		})
	}
	return s
}

// Primary is the address of the server that the sentinels agree on; empty while
// they do not.
func (s *Sentinel) Primary() string {
	agreed := ""
	for _, sentinel := range s.sentinels {
		lines := strings.Fields(sentinel.cli("sentinel", "get-master-addr-by-name", group))
		if len(lines) != 2 || agreed != "" && agreed != net.JoinHostPort(lines[0], lines[1]) {
			return ""
		}
		agreed = net.JoinHostPort(lines[0], lines[1])
	}
	return agreed
}

// Cluster is a Redis Cluster of three nodes without replicas.
type Cluster struct {
	URL   string // for redis.url
	nodes []*Redis
}

// StartCluster starts a cluster whose slots lie on all three nodes.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c, query, addresses := &Cluster{}, url.Values{"cluster": {"true"}}, []string(nil)
	for range 3 {
		node := startRedis(t, freeBusPort(t), "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		c.nodes, addresses = append(c.nodes, node), append(addresses, node.Addr)
	}
	for _, addr := range addresses[1:] {
		query.Add("addr", addr)
	}
	c.URL = "redis://" + addresses[0] + "?" + query.Encode()
	clusterCLI(t, append([]string{"create", "--cluster-yes"}, addresses...)...)
	for _, node := range c.nodes {
		Eventually(t, "a node knows the cluster", func() bool {
			return strings.Contains(node.cli("cluster", "info"), "cluster_state:ok")
		})
	}
	return c
}

// MoveSlots moves so many slots from one node to another while the cluster is in
// use.
func (c *Cluster) MoveSlots(t testing.TB, from, to, slots int) {
	t.Helper()
	id := func(n int) string { return strings.TrimSpace(c.nodes[n].cli("cluster", "myid")) }
	clusterCLI(t, "reshard", c.nodes[0].Addr, "--cluster-from", id(from), "--cluster-to", id(to),
		"--cluster-slots", strconv.Itoa(slots), "--cluster-yes")
}

// freeBusPort is a free port whose cluster bus, 10000 above, is free as well.
func freeBusPort(t testing.TB) (port int) {
	t.Helper()
	Eventually(t, "two ports are free", func() bool {
		port = FreePort(t)
		if port > 55535 {
			port -= 20000
		}
		for _, p := range []int{port, port + 10000} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
			if err != nil {
				return false
			}
			l.Close()
		}
		return true
	})
	return port
}

// cli asks a server, which may close the connection as it changes its role: then
// the answer is no answer to anything.
func (r *Redis) cli(args ...string) string {
	out, _ := exec.Command("redis-cli", append([]string{"-p", strconv.Itoa(r.port)}, args...)...).CombinedOutput()
	return string(out)
}

func clusterCLI(t testing.TB, args ...string) {
	t.Helper()
	args = append([]string{"--cluster"}, args...)
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
