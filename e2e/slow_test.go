package e2e

import (
	"bufio"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// availability is what slowhttptest says every five seconds of a connection of its own.
var availability = regexp.MustCompile(`service available:.*(YES|NO)`)

// slowhttptest holds hundreds of connections at once in three ways: headers that never
// end, bodies that never end, and answers that are taken byte by byte. Each attack says
// itself that the service stays there; meanwhile polls are answered in time, operators
// are told that it is well, and a stream gets its item. When connections are let go is
// in package proxy's TestSilentClientsAreLetGo, on fake time.
func TestSlowClients(t *testing.T) {
	attack, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Fatalf("%v; it is in Debian's slowhttptest", err)
	}
	w := newWorld(t)
	victim, newcomer := w.user("victim"), w.user("victim")
	newcomer.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", victim.cookie)
	stream, err := victim.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()

	var attacks []*servertest.Process
	for _, args := range [][]string{
		{"-H", "-u", w.url + "/"},
		{"-B", "-u", w.url + "/jobs", "-s", "8192"},
		{"-X", "-u", w.url + "/static/htmx.js", "-n", "1", "-z", "8", "-w", "64", "-y", "128", "-k", "3"},
		{"-X", "-u", w.url + "/api/notifications", "-j", victim.cookie, "-n", "1", "-z", "8", "-w", "64", "-y", "128", "-k", "3"},
	} {
		bounds := []string{"-c", "200", "-r", "100", "-i", "1", "-l", "8", "-p", "2"} // connections, of them a second, seconds between bytes, in all, patience
		attacks = append(attacks, servertest.StartProcess(t, nil, attack, append(bounds, args...)...))
	}
	w.waitForMetric(`process_open_fds`, 400)
	id, polls, longest := w.insert("victim", "under attack"), 0, time.Duration(0)
	done := make(chan struct{})
	var attacked sync.WaitGroup
	for _, a := range attacks {
		attacked.Go(func() { a.Status() })
	}
	go func() { attacked.Wait(); close(done) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for under := true; under; {
		select {
		case <-done:
			under = false
		case <-tick.C:
			began := time.Now()
			if err := newcomer.poll(t); err != nil {
				t.Fatal(err)
			}
			polls, longest = polls+1, max(longest, time.Since(began))
			if resp, err := victim.client.Get(w.admin + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("/readyz: %v", err)
			} else {
				resp.Body.Close()
			}
		}
	}
	t.Logf("%d polls, the longest took %v", polls, longest)
	if longest > 2*time.Second || polls < 20 || len(newcomer.seen) != 1 {
		t.Errorf("%d polls under attack, the longest took %v; they brought %v", polls, longest, newcomer.seen)
	}
	for _, a := range attacks {
		if told := availability.FindAllStringSubmatch(a.Stdout.String(), -1); len(told) == 0 || slices.ContainsFunc(told, func(m []string) bool { return m[1] != "YES" }) {
			t.Errorf("the service was away, says %s", a.Stdout.String())
		}
	}
	for in := bufio.NewScanner(stream.Body); in.Scan(); {
		if strings.Contains(in.Text(), id) {
			return
		}
	}
	t.Error("the stream ended without its item")
}
