package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// endless is how many pages with more to come make a drain that does not end.
const endless = 1000

// reader is a client of one user: it polls, or holds a stream.
type reader struct {
	t        *testing.T
	user     string
	cookie   string
	gateways []*gateway
	http     *http.Client
	books    *books
	pace     time.Duration // between two polls, more or less

	mayLose bool // its place, to a source that shows the newest rows only

	mu    sync.Mutex
	lost  int // so many times
	place string
	seen  map[string]delivery
	// whole is the start of the last poll whose answer said that it was all.
	whole time.Time
}

// delivery is when an item was shown first, and since when, at the latest, it was
// not: the start of the last poll before that left it out.
type delivery struct{ at, leftOut time.Time }

type item struct{ ID, Text string }

// page is the answer to a poll.
type page struct {
	Notifications []item
	Cursor        string
	More          bool `json:"has_more"`
	Reset         bool
}

// errOutage is what a gateway answers when it cannot read the database.
var errOutage = errors.New("an outage")

func (w *world) newReader(t *testing.T, user string, client *http.Client, as gathering) *reader {
	return &reader{
		t: t, user: user, cookie: cookie(t, user), gateways: w.gateways, http: client, books: w.books,
		pace: as.pace, seen: map[string]delivery{},
	}
}

// arrive begins to read, at some time of those in which all come.
func (r *reader) arrive(stop <-chan struct{}, all time.Duration, read func(<-chan struct{})) {
	if wait(stop, rand.N(all+1)) {
		read(stop)
	}
}

// wait reports false if stop was closed meanwhile.
func wait(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}

func (r *reader) get(g *gateway, target string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+g.address+target, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Cookie", r.cookie)
	return r.http.Do(req)
}

func (r *reader) ask(g *gateway, limit int) (p page, err error) {
	resp, err := r.get(g, fmt.Sprintf("/api/notifications?limit=%d&after_id=%s", limit, url.QueryEscape(r.place)), nil)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return p, err
	case resp.StatusCode == http.StatusServiceUnavailable, resp.StatusCode == http.StatusGatewayTimeout:
		return p, fmt.Errorf("%w: %s", errOutage, body)
	case resp.StatusCode != http.StatusOK:
		return p, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return p, json.Unmarshal(body, &p)
}

// run polls until stop is closed.
func (r *reader) run(stop <-chan struct{}) {
	for pages := 0; wait(stop, 0); {
		switch more := r.poll(); {
		case !more:
			pages = 0
			wait(stop, r.pace/2+rand.N(r.pace))
		case pages > endless:
			r.t.Errorf("%s: a drain does not end", r.user)
			return
		default:
			pages++
		}
	}
}

// poll asks any gateway for what is new, and reports whether there is more. A
// gateway that was killed meanwhile is excused.
func (r *reader) poll() (more bool) {
	g := r.gateways[rand.IntN(len(r.gateways))]
	life, began := g.life.Load(), time.Now()
	p, err := r.ask(g, 1+rand.IntN(100))
	if err != nil {
		if life%2 != 0 || g.life.Load() != life {
			return false
		}
		r.books.polled(began, err)
		return false
	}
	r.books.polled(began, nil)
	r.take(p, began)
	return p.More
}

func (r *reader) take(p page, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Reset {
		if r.lost++; !r.mayLose {
			r.t.Errorf("%s: the place was lost", r.user)
		}
	}
	if p.Cursor != "" {
		r.place = p.Cursor
	}
	r.note(p.Notifications...)
	if !p.More {
		r.whole = began
	}
}

// note remembers items; mu must be held.
func (r *reader) note(items ...item) {
	for _, n := range items {
		if n.Text != r.user {
			r.t.Errorf("%s was shown %s, which is of %s", r.user, n.ID, n.Text)
		}
		if _, again := r.seen[n.ID]; !again {
			r.seen[n.ID] = delivery{time.Now(), r.whole}
		}
	}
}

// missing counts what the reader was not shown yet.
func (r *reader) missing(stored map[string]bool) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range stored {
		if _, ok := r.seen[id]; !ok {
			n++
		}
	}
	return n
}
