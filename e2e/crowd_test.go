package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

// crowd is browsers that poll all the time, as our client does, and what each has
// been shown.
type crowd struct {
	t        *testing.T
	db       *appdb.DB
	browsers []*browser
	written  int64 // when there was news last, in Unix seconds

	mu   sync.Mutex
	base string
}

// browser is one of them.
type browser struct {
	name, cookie string
	client       *http.Client

	mu        sync.Mutex
	place     string
	transport string // what the last answer said; empty from the app alone
	shown     map[string]bool
}

// startCrowd lets alice and some others poll until the test ends.
func startCrowd(t *testing.T, db *appdb.DB, base string, cookie func(name string) string) *crowd {
	c := &crowd{t: t, db: db, base: base}
	names := []string{"alice"}
	for i := range 30 {
		names = append(names, fmt.Sprint("person-", i))
	}
	ended := make(chan struct{})
	var polling sync.WaitGroup
	for _, name := range names {
		b := &browser{name: name, cookie: cookie(name), client: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}, shown: map[string]bool{}}
		c.browsers = append(c.browsers, b)
		polling.Go(func() {
			defer b.client.CloseIdleConnections()
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				b.poll(c.address()) // what fails is asked for again
				select {
				case <-ended:
					return
				case <-tick.C:
				}
			}
		})
	}
	t.Cleanup(func() { close(ended); polling.Wait() })
	return c
}

func (c *crowd) address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base
}

func (c *crowd) goTo(base string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = base
}

// poll asks once. Behind Sluice the next place is a cursor, before the app alone
// the id of the newest item.
func (b *browser) poll(base string) {
	b.mu.Lock()
	place := b.place
	b.mu.Unlock()
	req, err := http.NewRequest(http.MethodGet, base+"/api/notifications?after_id="+url.QueryEscape(place), nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Cookie", b.cookie)
	req.Header.Set("Sluice-Client", "test")
	resp, err := b.client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	var p page
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&p) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transport = resp.Header.Get("Sluice-Transport")
	for _, n := range p.Notifications {
		b.shown[n.ID] = true
	}
	switch {
	case p.Cursor != "":
		b.place = p.Cursor
	case len(p.Notifications) > 0:
		b.place = p.Notifications[0].ID
	}
}

// on are those whom the last answer put on a transport.
func (c *crowd) on(transport string) (names []string) {
	for _, b := range c.browsers {
		b.mu.Lock()
		if b.transport == transport {
			names = append(names, b.name)
		}
		b.mu.Unlock()
	}
	return names
}

// onlyAlice says whether nobody but alice, who is listed, polls.
func (c *crowd) onlyAlice() bool { return slices.Equal(c.on("poll"), []string{"alice"}) }

// everybody says whether all are on a transport.
func (c *crowd) everybody(transport string) bool { return len(c.on(transport)) == len(c.browsers) }

// news writes one item for each, and waits until each has been shown theirs. Of two
// items of one second the app's own endpoint may lose one, so they are in two.
func (c *crowd) news(when string) {
	c.t.Helper()
	servertest.Eventually(c.t, "the next second", func() bool { return time.Now().Unix() > c.written })
	defer func() { c.written = time.Now().Unix() }()
	ids := map[*browser]string{}
	for _, b := range c.browsers {
		written, err := c.db.Insert(appdb.Row{User: b.name, Level: "info", Text: when, Context: "{}"})
		if err != nil {
			c.t.Fatal(err)
		}
		ids[b] = written[0]
	}
	servertest.Eventually(c.t, "everybody is shown what is new "+when, func() bool {
		for b, id := range ids {
			b.mu.Lock()
			shown := b.shown[id]
			b.mu.Unlock()
			if !shown {
				return false
			}
		}
		return true
	})
}

// visitor asks for single things, with somebody's cookie.
type visitor struct {
	t      *testing.T
	cookie string
}

func (m *migration) browserOf(name string) visitor { return visitor{m.t, cookieOf(name)} }

func (v visitor) ask(url string) (resp *http.Response, end func()) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), servertest.Patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Cookie", v.cookie)
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp, func() { cancel(); resp.Body.Close() }
}

func (v visitor) get(base, path string) string {
	v.t.Helper()
	resp, end := v.ask(base + path)
	defer end()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %d %v %s", path, resp.StatusCode, err, body)
	}
	return string(body)
}

func (v visitor) status(base, path string) int {
	v.t.Helper()
	resp, end := v.ask(base + path)
	defer end()
	return resp.StatusCode
}

// stream opens the old stream as an old page does, and returns its first line.
func (v visitor) stream(base string) string {
	v.t.Helper()
	resp, end := v.ask(base + "/api/stream")
	defer end()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		v.t.Fatal(err)
	}
	return line
}
