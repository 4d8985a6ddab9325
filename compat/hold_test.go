package compat

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hold opens a stream whose reader is not known, as alice's browser does.
func hold(b *Bridge, known func(context.Context) bool) (o *open, served chan bool) {
	ctx, leave := context.WithCancel(context.Background())
	o, served = &open{wire: &wire{header: http.Header{}}, started: time.Now(), ended: make(chan struct{}), leave: leave}, make(chan bool, 1)
	r := httptest.NewRequest(http.MethodGet, "/api/stream", nil).WithContext(ctx)
	go func() {
		defer func() { o.end = time.Now(); close(o.ended) }()
		yes := b.Hold(o.wire, r, known)
		served <- yes
		if yes {
			b.Serve(o.wire, r, alice, time.Now().Add(time.Hour))
		}
	}()
	return o, served
}

func TestAHeldStreamWaitsUntilItsReaderIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, "a", "b")
		b := newBridge(source, &tally{})
		knownAt := time.Now().Add(beat + time.Second)
		o, served := hold(b, func(context.Context) bool { return !time.Now().Before(knownAt) })
		time.Sleep(beat + time.Millisecond)
		if !o.isOpen() || o.status != http.StatusOK {
			t.Fatalf("status %d, open %v", o.status, o.isOpen())
		}
		r := o.now(t)
		if len(r.events) != 0 || !strings.Contains(o.text(), ": heartbeat") {
			t.Errorf("held: %q", o.text())
		}
		if source.reads() != 0 {
			t.Error("something was read for nobody")
		}
		time.Sleep(time.Until(knownAt) + knownMost*3/2)
		wantIDs(t, o.now(t), "a", "b")
		if !<-served {
			t.Error("not served")
		}
		o.close()
	})
}

// While the reader is asked for, which may take long, heartbeats go on.
func TestAHeldStreamBeatsWhileItsReaderIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := hold(newBridge(&rows{}, &tally{}), func(ctx context.Context) bool { <-ctx.Done(); return false })
		time.Sleep(beat + time.Second)
		synctest.Wait()
		if strings.Count(o.text(), ": heartbeat") != 1 {
			t.Errorf("held: %q", o.text())
		}
		o.close()
	})
}

// Thousands of held streams do not keep asking somebody who is in trouble.
func TestHeldStreamsAskMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		o, _ := hold(newBridge(&rows{}, &tally{}), func(context.Context) bool { asked = append(asked, time.Now()); return false })
		start := time.Now()
		<-o.ended
		if n := len(asked); n < 4 || n > 12 {
			t.Errorf("%d questions in %v", n, o.end.Sub(start))
		}
		if first := asked[0].Sub(start); first < knownFirst/2 || first > 2*knownFirst {
			t.Errorf("the first after %v", first)
		}
	})
}

// All ends but the reader's own are ends of the response.
func TestTheEndsOfAHeldStream(t *testing.T) {
	never := func(context.Context) bool { return false }
	for name, c := range map[string]struct {
		end   func(*Bridge, *open)
		after time.Duration
	}{
		"its time is up":      {func(*Bridge, *open) {}, maxDuration},
		"the gateway drains":  {func(b *Bridge, _ *open) { time.Sleep(3 * time.Second); b.Drain() }, 3 * time.Second},
		"the reader goes off": {func(_ *Bridge, o *open) { time.Sleep(3 * time.Second); o.leave() }, 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBridge(&rows{}, &tally{})
			o, served := hold(b, never)
			c.end(b, o)
			if took := o.lasted(); took != c.after || <-served {
				t.Errorf("%s: lasted %v", name, took)
			}
			if retries := o.now(t).retries; len(retries) != 1 || retries[0] < int(troubleFloor.Milliseconds()) {
				t.Errorf("%s: the reader is asked back after %d ms", name, retries)
			}
		})
	}
}

// A reader that is known by then is asked back soon.
func TestAHeldStreamThatIsServedHasAShortRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, served := hold(newBridge(&rows{}, &tally{}), func(context.Context) bool { return true })
		<-served
		synctest.Wait()
		retries := o.now(t).retries
		if last := retries[len(retries)-1]; last >= int(troubleFloor.Milliseconds()) {
			t.Errorf("asked back after %d ms", last)
		}
		o.close()
	})
}
