package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sluice/internal/servertest"
)

// metric is the value of one series, 0 if it is not there.
func (w *world) metric(series string) float64 {
	w.t.Helper()
	resp, err := http.Get(w.admin + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for s := bufio.NewScanner(strings.NewReader(string(body))); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), series+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

func (w *world) waitForMetric(series string, want float64) {
	w.t.Helper()
	servertest.Eventually(w.t, fmt.Sprintf("%s is %v", series, want), func() bool { return w.metric(series) >= want })
}

func lookups(result string) string {
	return fmt.Sprintf(`sluice_latest_requests_total{layer="redis",result=%q}`, result)
}

const polled = `sluice_polls_total{client="native",result="empty"}`

// A cache that dies or hangs under 50 polling users costs nobody a poll or an item.
func TestRedisDiesWhilePolling(t *testing.T) {
	const users = 50
	w := newWorld(t)
	all := w.users(users)
	stop := make(chan struct{})
	var polling sync.WaitGroup
	for _, u := range all {
		polling.Go(func() {
			for {
				if err := u.poll(t); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	stopPolling := sync.OnceFunc(func() { close(stop); polling.Wait() })
	defer stopPolling()

	want := map[string][]string{}
	insert := func(text string) {
		for _, u := range all {
			want[u.name] = append(want[u.name], w.insert(u.name, text))
		}
	}
	// A change makes this process forget its users, so that their next polls look into
	// Redis, unless it is being left alone for a moment: then only those after the next
	// change do.
	insertSeeing := func(text, result string) {
		before := w.metric(lookups(result))
		servertest.Eventually(t, text+", Redis is asked: "+result, func() bool {
			insert(text)
			polls := w.metric(polled)
			w.waitForMetric(polled, polls+10*users)
			return w.metric(lookups(result)) > before
		})
	}
	insertSeeing("before", "absent")
	w.redis.Kill()
	insertSeeing("while it is dead", "failed")
	w.redis.Start(t)
	insertSeeing("while it is back", "absent")
	w.redis.Freeze()
	insertSeeing("while it hangs", "failed")
	w.redis.Thaw()
	insertSeeing("while it goes on", "absent")
	stopPolling()

	for _, u := range all {
		servertest.Eventually(t, u.name+" has seen everything", func() bool {
			if err := u.poll(t); err != nil {
				t.Fatal(err)
			}
			for _, id := range want[u.name] {
				if !slices.Contains(u.seen, id) {
					return false
				}
			}
			return true
		})
		for _, id := range u.seen {
			if !slices.Contains(want[u.name], id) {
				t.Errorf("%s has seen %s, which is somebody else's", u.name, id)
			}
		}
	}
}
