package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"

	"sluice/internal/servertest"
)

// An SSE client that others have written reads the bridged stream without a gap,
// each item once and in order: over the ends of its streams, while the gateway is
// restarted, and after a crash. The other clients are in browser/clients.spec.mjs.
func TestGoSSEReadsEverythingOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "SLUICE_COMPAT_MAX_DURATION=1s", "SLUICE_COMPAT_OLD_PAGE_DURATION=1s", "SLUICE_DRAIN_GRACE=0s",
		"SLUICE_LISTEN=127.0.0.2:0") // nobody else takes a port there while the gateway is away
	alice := w.user("alice")
	r := alice.follow(t)
	var want []string
	write := func(n int) {
		for range n {
			want = append(want, w.insert(alice.name, fmt.Sprint("number ", len(want))))
		}
	}

	between := 0 // how often something was certainly written while the reader had no stream
	for between < 3 {
		r.waitForEnds(1)
		opens := r.soFar().opens
		write(1)
		if r.soFar().opens == opens {
			between++
		}
		r.waitFor(want)
	}

	w.sluice.Terminate()
	if status := w.sluice.Status(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	write(25) // more than the bridge reads at once
	r.waitForEnds(2)
	w.serve()
	r.waitFor(want)

	w.sluice.Kill()
	write(1)
	w.serve()
	r.waitFor(want)
	write(1)
	r.waitFor(want)
	if items := r.soFar().items; !slices.IsSortedFunc(items, item.compare) {
		t.Errorf("not in order: %v", items)
	}
}

// following is a go-sse client and what it has met so far.
type following struct {
	t   *testing.T
	mu  sync.Mutex
	met met
}

type met struct {
	opens, ends int // an end is also the failure to get a stream
	items       []item
}

type item struct {
	ID        string
	CreatedAt string `json:"created_at"`
}

func (i item) compare(o item) int {
	return slices.Compare([]string{i.CreatedAt, i.ID}, []string{o.CreatedAt, o.ID})
}

// follow starts a client that ends with the test.
func (u *user) follow(t *testing.T) *following {
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.base+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", u.cookie)
	f := &following{t: t}
	client := &sse.Client{
		HTTPClient: u.client,
		OnRetry:    func(error, time.Duration) { f.note(func(m *met) { m.ends++ }) },
		ResponseValidator: func(resp *http.Response) error {
			f.note(func(m *met) { m.opens++ })
			return sse.DefaultValidator(resp)
		},
	}
	connection := client.NewConnection(req)
	connection.SubscribeMessages(f.receive)
	var connected sync.WaitGroup
	connected.Go(func() {
		if err := connection.Connect(); ctx.Err() == nil {
			t.Errorf("the client has given up: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); connected.Wait() })
	return f
}

// receive takes a message; it is empty where the stream only told a place or a
// time to wait.
func (f *following) receive(e sse.Event) {
	if e.Data == "" {
		return
	}
	var message struct{ Data item }
	if err := json.Unmarshal([]byte(e.Data), &message); err != nil {
		f.t.Errorf("%q: %v", e.Data, err)
	}
	f.note(func(m *met) { m.items = append(m.items, message.Data) })
}

func (f *following) note(change func(*met)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.met)
}

func (f *following) soFar() met {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.met
	m.items = slices.Clone(m.items)
	return m
}

func (f *following) waitForEnds(more int) {
	f.t.Helper()
	want := f.soFar().ends + more
	servertest.Eventually(f.t, "streams end", func() bool { return f.soFar().ends >= want })
}

// waitFor waits until the reader has met exactly these, each once. What is written
// later stands in another second: within one there is no order in time, and what
// slides in behind a later item makes the bridge repeat.
func (f *following) waitFor(ids []string) {
	f.t.Helper()
	sorted := slices.Sorted(slices.Values(ids))
	servertest.Eventually(f.t, "everything has arrived", func() bool { return len(f.soFar().items) >= len(ids) })
	var got []string
	for _, i := range f.soFar().items {
		got = append(got, i.ID)
	}
	if slices.Sort(got); !slices.Equal(got, sorted) {
		f.t.Fatalf("got %v\nwant %v", got, sorted)
	}
	now := time.Now().Unix()
	servertest.Eventually(f.t, "the next second", func() bool { return time.Now().Unix() > now })
}
