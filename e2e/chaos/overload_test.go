package chaos

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"sluice/internal/servertest"
)

const (
	// under is how many polls may be under way. A poll waits for those before it, and so
	// about as long as all others; spreads is how much longer the last of a hundred may
	// wait than half of them.
	under, spreads = 64, 3
	// inTime is half of what a read may take.
	inTime = 5 * time.Second
	// shedWithin is how soon a poll is turned away.
	shedWithin = time.Second
	// alive is how soon health checks and metrics answer, whatever the load.
	alive = 2 * time.Second
)

// Three times as many polls come as the source can answer. Those that are let in are
// answered in time, the others are told when to come back, streams stay open, and when
// the load is gone, so is the trouble.
func TestOverload(t *testing.T) {
	lasts := 2 * time.Second
	if soak > 0 {
		lasts = 30 * time.Second
	}
	w := newWorld(t, 1, servertest.StartRedis(t).Addr, "", "SLUICE_CACHE_STALENESS_BOUND=0", "SLUICE_LIMITS_POLLS="+strconv.Itoa(under))
	g := w.gateways[0]
	g.postgres.poison(t, latency(20, 5)) // a read takes time, and no processor's
	l := newPolling(t, w)
	stop := make(chan struct{})
	var holding sync.WaitGroup
	streams := w.newReader(t, "holder", &http.Client{}, few)
	holding.Go(func() { streams.hold(stop) })
	defer func() { close(stop); holding.Wait() }()
	servertest.Eventually(t, "the stream has a place", streams.placed)

	capacity := l.capacity()
	calm := l.send(capacity/2, lasts)
	checked := make(chan string)
	go func() { checked <- l.checkHealth(lasts) }()
	over := l.send(3*capacity, lasts)
	t.Logf("figure: overload: health checks, readiness and metrics meanwhile | %s", <-checked)
	began := time.Now()
	servertest.Eventually(t, "the load is gone, and so is the trouble", func() bool { return len(l.send(capacity/2, time.Second).shed) == 0 })
	t.Logf("figure: overload: back to normal | within %s", ms(time.Since(began)))
	after := l.send(capacity/2, lasts)

	for _, load := range []struct {
		name string
		*outcome
	}{{"half of what can be answered", calm}, {"three times as much", over}, {"half again", after}} {
		t.Logf("figure: overload: %s | %.0f polls a second: %d answered, %s; %d turned away, %s", load.name,
			load.rate, len(load.answered), spread(load.answered), len(load.shed), spread(load.shed))
	}
	if half, p99 := at(over.answered, 0.5), at(over.answered, 0.99); p99 > min(spreads*half, inTime) {
		t.Errorf("polls were answered after up to %s, and half of them within %s", p99, half)
	}
	if p99 := at(over.shed, 0.99); p99 > shedWithin {
		t.Errorf("polls were turned away after up to %s, want %s", p99, shedWithin)
	}
	if answered := float64(len(over.answered)) / lasts.Seconds(); answered < capacity/2 {
		t.Errorf("%.0f polls a second were answered, of the %.0f that can be", answered, capacity)
	}
	if len(over.shed) == 0 || len(calm.shed)+len(after.shed) > 0 {
		t.Errorf("turned away: %d, %d and %d polls", len(calm.shed), len(over.shed), len(after.shed))
	}
}

// polling sends polls of many users to a gateway.
type polling struct {
	t       *testing.T
	gateway *gateway
	readers []*reader
}

// outcome is what became of them.
type outcome struct {
	rate           float64 // a second
	mu             sync.Mutex
	answered, shed []time.Duration
}

func newPolling(t *testing.T, w *world) *polling {
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * under}
	t.Cleanup(transport.CloseIdleConnections)
	l := &polling{t: t, gateway: w.gateways[0]}
	for i := range 100 {
		l.readers = append(l.readers, w.newReader(t, fmt.Sprint("user-", i), &http.Client{Transport: transport, Timeout: time.Minute}, few))
	}
	return l
}

// capacity is how many polls a second are answered when there are always some.
func (l *polling) capacity() float64 {
	const measured = 2 * time.Second
	var o outcome
	var asking sync.WaitGroup
	for i := range under / 2 {
		asking.Go(func() {
			for end := time.Now().Add(measured); time.Now().Before(end); {
				l.ask(l.readers[i], &o)
			}
		})
	}
	asking.Wait()
	if len(o.shed) > 0 {
		l.t.Errorf("%d polls were turned away without an overload", len(o.shed))
	}
	return float64(len(o.answered)) / measured.Seconds()
}

// send sends so many polls a second, whatever becomes of them.
func (l *polling) send(perSecond float64, lasts time.Duration) *outcome {
	o := &outcome{rate: perSecond}
	var asking sync.WaitGroup
	start := time.Now()
	for i := range int(perSecond * lasts.Seconds()) {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
		asking.Go(func() { l.ask(l.readers[i%len(l.readers)], o) })
	}
	asking.Wait()
	return o
}

// ask polls once. Who is turned away is told when to come back.
func (l *polling) ask(r *reader, o *outcome) {
	began := time.Now()
	resp, err := r.get(l.gateway, "/api/notifications?after_id=0", nil)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	o.mu.Lock()
	defer o.mu.Unlock()
	wait, bad := strconv.Atoi(resp.Header.Get("Retry-After"))
	switch {
	case err == nil && resp.StatusCode == http.StatusOK:
		o.answered = append(o.answered, took)
	case err == nil && bad == nil && wait > 0 && resp.StatusCode == http.StatusServiceUnavailable:
		o.shed = append(o.shed, took)
	default:
		l.t.Errorf("status %d, Retry-After %q, %v: %s", resp.StatusCode, resp.Header.Get("Retry-After"), err, body)
	}
}

// checkHealth asks the admin listener all the time.
func (l *polling) checkHealth(lasts time.Duration) string {
	client := &http.Client{Timeout: alive}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			began := time.Now()
			resp, err := client.Get("http://" + l.gateway.admin + path)
			if err != nil {
				l.t.Error(err)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				l.t.Errorf("%s: %d", path, resp.StatusCode)
			}
			took = append(took, time.Since(began))
		}
	}
	return fmt.Sprintf("%d times, %s", len(took), spread(took))
}
