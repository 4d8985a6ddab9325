package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tab is a synthetic page of one user: an old one, which holds the stream as the
// legacy page does, or a new one, which polls and follows its user's flag as
// client.js does.
type tab struct {
	user, cookie string
	old          bool
	fleet        *fleet

	mu        sync.Mutex
	place     string    // a new page's cursor
	knew      time.Time // when it last knew all there was; zero at first
	transport string    // that a new page was last told
	switched  time.Time // when that changed
	ready     bool      // it has a place, or a stream: what is written from now on must be shown
	errors    int       // answers that were none, and streams that ended under an old page
	shown     map[string]time.Time
	recent    []string // the last ids shown, by which pages remove repeats
	repeats   int      // received, and not shown
	twice     int      // shown again: the page had forgotten that it was
}

// remembered is how many ids a page keeps to remove repeats, as the legacy page does.
const remembered = 200

// asksEvery is when a new page on the stream asks whether to poll again: client.js does
// so every minute.
const asksEvery = 4 * time.Second

// show takes one item.
func (b *tab) show(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, known := range b.recent {
		if known == id {
			b.repeats++
			return
		}
	}
	if _, again := b.shown[id]; again {
		b.twice++
	} else {
		b.shown[id] = time.Now()
	}
	b.recent = append(b.recent, id)
	b.recent = b.recent[max(0, len(b.recent)-remembered):]
}

// run is the life of the page.
func (b *tab) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		var wait time.Duration
		var err error
		if b.old {
			// The old page sees every end as an error, and comes back after a second, or two, or four.
			if err = b.hold(ctx, "/api/stream"); err == nil {
				failures = 0
			}
			b.failed()
			wait = min(time.Second<<failures, 30*time.Second)
		} else if wait, err = b.poll(ctx); err == nil {
			failures = -1
		} else {
			b.failed()
			wait += time.Second/2 + rand.N(min(time.Second<<failures, 30*time.Second))
		}
		failures++
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (b *tab) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors++
}

// poll polls once, and then holds the stream if the server says so. It returns how
// long to wait; after an error, what the server asks for.
func (b *tab) poll(ctx context.Context) (wait time.Duration, err error) {
	resp, err := b.get(ctx, "/api/notifications?limit=50&after_id="+url.QueryEscape(b.place))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	transport := resp.Header.Get("Sluice-Transport")
	if resp.StatusCode != http.StatusOK {
		if transport == "sse" && b.place != "" {
			b.turn(transport)
			if b.hold(ctx, "/api/stream?last_event_id="+url.QueryEscape(b.place)) == nil {
				return 0, nil
			}
		}
		return seconds(resp.Header.Get("Retry-After")), fmt.Errorf("%s: %s", b.user, resp.Status)
	}
	var p struct {
		Notifications []struct{ ID string }
		Cursor        string
		More          bool `json:"has_more"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		return 0, err
	}
	for i := len(p.Notifications) - 1; i >= 0; i-- {
		b.show(p.Notifications[i].ID)
	}
	b.answered(p.Cursor, transport)
	switch {
	case p.More:
		return 0, nil
	case transport == "sse":
		_ = b.hold(ctx, "/api/stream?last_event_id="+url.QueryEscape(b.place)) // the poll that follows tells what ended it
		return 0, nil
	}
	interval := seconds(resp.Header.Get("X-Poll-Interval"))
	return interval*9/10 + rand.N(interval/5), nil
}

func (b *tab) answered(cursor, transport string) {
	b.turn(transport)
	b.mu.Lock()
	defer b.mu.Unlock()
	if cursor != "" {
		b.place = cursor
	}
	b.knew, b.ready = time.Now(), true
}

func (b *tab) turn(transport string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if transport != b.transport {
		b.transport, b.switched = transport, time.Now()
	}
}

// hold reads a stream to its end. It returns nil if the stream was there at all.
func (b *tab) hold(ctx context.Context, target string) error {
	if !b.old {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, asksEvery)
		defer cancel()
	}
	resp, err := b.get(ctx, target)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: a stream: %s", b.user, resp.Status)
	}
	if b.old {
		b.mu.Lock()
		b.ready = true
		b.mu.Unlock()
	}
	place := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			place = id
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var event struct {
				Type string
				Data struct{ ID string }
			}
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				return err
			}
			if event.Type == "notification.created" {
				b.show(event.Data.ID)
			}
		}
		if line == "" && place != "" && !b.old {
			b.mu.Lock()
			b.place, b.knew = place, time.Now()
			b.mu.Unlock()
		}
	}
	return nil // how it ended is nothing to a page
}

// get asks a gateway, as a load balancer chooses it: one that refuses the
// connection is passed over.
func (b *tab) get(ctx context.Context, target string) (resp *http.Response, err error) {
	gateways := b.fleet.gateways
	for i, first := 0, rand.IntN(len(gateways)); i < len(gateways); i++ {
		g := gateways[(first+i)%len(gateways)]
		req, err2 := http.NewRequestWithContext(ctx, http.MethodGet, g.url+target, nil)
		if err2 != nil {
			return nil, err2
		}
		req.Header.Set("Cookie", b.cookie)
		if !b.old {
			req.Header.Set("Sluice-Client", "e2e")
		}
		if !b.knew.IsZero() {
			req.Header.Set("Sluice-Elapsed", fmt.Sprintf("%.0f", time.Since(b.knew).Seconds()))
		}
		if resp, err = b.fleet.http.Do(req); err == nil || !strings.Contains(err.Error(), "connection refused") {
			return resp, err
		}
	}
	return nil, err
}

// seconds reads a header of whole seconds.
func seconds(header string) time.Duration {
	var n int
	_, _ = fmt.Sscan(header, &n)
	return time.Duration(n) * time.Second
}
