package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// load is users who poll and users with old pages, and what they have seen: what the
// gateway's metrics must say as well.
type load struct {
	t         *testing.T
	w         *world
	mu        sync.Mutex
	polls     map[string]float64 // by client and result
	delivered map[string]float64 // items by transport
	staleness []float64          // seconds, of items that clients polled which say how long they were away
	written   float64            // items for pollers
	waited    float64            // items polled by clients that do not say
	stop      chan struct{}
	pollers   sync.WaitGroup
	streams   sync.WaitGroup
}

func newLoad(t *testing.T, w *world) *load {
	return &load{t: t, w: w, polls: map[string]float64{}, delivered: map[string]float64{}, stop: make(chan struct{})}
}

// every is how often a poller asks. It is no multiple of the scrapes, so that they
// do not beat.
const every = 700 * time.Millisecond

func (l *load) start(native, sluice, readers, shadowed int) {
	l.t.Cleanup(l.streams.Wait)
	for i := range native {
		l.pollers.Go(func() { l.poll(l.w.user(fmt.Sprintf("native-%d", i)), "native") })
	}
	for i := range sluice {
		l.pollers.Go(func() { l.poll(l.w.user(fmt.Sprintf("sluice-%d", i)), "sluice") })
	}
	for i := range readers {
		l.streams.Go(func() { l.read(l.w.user(fmt.Sprintf("reader-%d", i)), "bridge", i < 2) })
	}
	for i := range shadowed {
		l.streams.Go(func() { l.read(l.w.user(fmt.Sprintf("shadow-%d", i)), "app", false) })
	}
}

// poll asks until the load is stopped and the last answer was empty. Every 20th
// time it asks for nonsense.
func (l *load) poll(u *user, client string) {
	known := time.Time{}
	for n := 1; ; n++ {
		query := "after_id=" + url.QueryEscape(u.cursor)
		if n%20 == 0 {
			query = "limit=x"
		}
		asked := time.Now()
		p, result, err := l.ask(u, client, query, known)
		if err != nil {
			l.t.Error(err)
			return
		}
		l.saw(client, result, p.Notifications, known)
		if p.Cursor != "" {
			u.cursor = p.Cursor
		}
		if result != "error" && result != "refused" {
			known = asked
		}
		select {
		case <-l.stop:
			if result == "empty" {
				return
			}
			time.Sleep(every)
		case <-time.After(every):
		}
	}
}

// answer is what a load reads of a poll.
type answer struct {
	Notifications []struct {
		CreatedAt time.Time `json:"created_at"`
	}
	Cursor string
	Reset  bool
}

// ask polls as a client, and names the result as the metrics do. A client of ours says
// how long ago it last knew all there was, in whole seconds, which are rounded up: so
// none of these items looks as if it had waited for the client.
func (l *load) ask(u *user, client, query string, known time.Time) (p answer, result string, err error) {
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, u.base+"/api/notifications?"+query, nil)
	if err != nil {
		return p, "", err
	}
	req.Header.Set("Cookie", u.cookie)
	if client == "sluice" {
		req.Header.Set("Sluice-Client", "0.1.0")
		if !known.IsZero() {
			req.Header.Set("Sluice-Elapsed", strconv.Itoa(int(math.Ceil(time.Since(known).Seconds()))))
		}
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return p, "", err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500:
		return p, "error", nil
	case resp.StatusCode >= 400:
		return p, "refused", nil
	}
	err = json.NewDecoder(resp.Body).Decode(&p)
	switch {
	case p.Reset:
		result = "reset"
	case len(p.Notifications) > 0:
		result = "items"
	default:
		result = "empty"
	}
	return p, result, err
}

func (l *load) saw(client, result string, items []struct {
	CreatedAt time.Time `json:"created_at"`
}, known time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polls[client+" "+result]++
	l.delivered["poll"] += float64(len(items))
	for _, item := range items {
		if client == "native" || known.IsZero() {
			l.waited++
			continue
		}
		l.staleness = append(l.staleness, time.Since(item.CreatedAt).Seconds())
	}
}

// read is an old page, or our client in sse mode, which names its place and confirms
// the first heartbeat. It opens a new stream whenever one ends, a second later, until the
// test ends.
func (l *load) read(u *user, transport string, ours bool) {
	ctx, place := l.t.Context(), "0"
	browser := &http.Client{Transport: u.client.Transport} // without a limit of its own
	for {
		target := "/api/stream"
		if ours {
			target += "?last_event_id=" + url.QueryEscape(place)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.base+target, nil)
		if err != nil {
			l.t.Error(err)
			return
		}
		req.Header.Set("Cookie", u.cookie)
		resp, err := browser.Do(req)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.t.Error(err)
			return
		}
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			name, value, _ := strings.Cut(s.Text(), ": ")
			switch {
			case name == "id":
				place = value
			case name == "data" && strings.HasPrefix(value, "{"):
				l.mu.Lock()
				l.delivered[transport]++
				l.mu.Unlock()
			case name == "data":
				if _, _, err := u.get(l.t, "/_sluice/config?"+value); err != nil && ctx.Err() == nil {
					l.t.Error(err)
				}
			}
		}
		resp.Body.Close()
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// write inserts one item for each user in turn, until the time is over: not two for
// one within a second, so that no place needs repeats.
func (l *load) write(users []string, each time.Duration, until time.Time) {
	for n := 0; time.Now().Before(until); n++ {
		user := users[n%len(users)]
		l.w.insert(user, fmt.Sprintf("item %d", n))
		if !strings.HasPrefix(user, "reader") && !strings.HasPrefix(user, "shadow") {
			l.written++
		}
		time.Sleep(each)
	}
}

// settle waits until pollers have all that was written for them: what waits for
// longer than between two polls does not count as stale.
func (l *load) settle() {
	l.t.Helper()
	servertest.Eventually(l.t, "pollers have everything", func() bool {
		return l.items("poll") == l.written
	})
}

// end lets pollers get what is there, and waits until all have left. Readers stay.
func (l *load) end() {
	close(l.stop)
	l.pollers.Wait()
}

// items delivered by a transport.
func (l *load) items(transport string) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delivered[transport]
}

func (l *load) total(results ...string) (n float64) {
	for key, v := range l.polls {
		if _, result, _ := strings.Cut(key, " "); slices.Contains(results, result) {
			n += v
		}
	}
	return n
}

// quantile of the staleness that clients saw.
func (l *load) quantile(q float64) float64 {
	slices.Sort(l.staleness)
	return l.staleness[int(q*float64(len(l.staleness)-1))]
}

func (l *load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := slices.Sorted(maps.Keys(l.polls))
	text := ""
	for _, k := range keys {
		text += fmt.Sprintf("%s %v, ", k, l.polls[k])
	}
	return fmt.Sprintf("polls: %sitems %v, p50 %.2fs, p95 %.2fs", text, l.delivered, l.quantile(0.5), l.quantile(0.95))
}
