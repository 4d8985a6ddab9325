package compat

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// our is a stream as our client opens it; id is what its EventSource reconnects with.
func our(b *Bridge, id string) *open {
	r := httptest.NewRequest(http.MethodGet, "/api/stream?last_event_id=0", nil)
	if id != "" {
		r.Header.Set("Last-Event-ID", id)
	}
	return request(b, r, time.Now().Add(time.Hour))
}

// Only our client is asked, with its first heartbeat, by an event that names the time
// and no place.
func TestTheFirstHeartbeatAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBridge(&rows{}, &tally{})
		start := time.Now()
		for name, c := range map[string]struct {
			open *open
			asks bool
		}{
			"our client":        {our(b, ""), true},
			"when it is back":   {our(b, "0"), false},
			"an old page":       {connect(b, ""), false},
			"plain EventSource": {connect(b, "0"), false},
		} {
			time.Sleep(time.Until(start.Add(beat)))
			synctest.Wait()
			r := readEvents(c.open.text())
			want := []message(nil)
			if c.asks {
				want = []message{{"", strconv.FormatInt(start.Add(beat).UnixMilli(), 10), ""}}
			}
			if !slices.Equal(r.events, want) {
				t.Errorf("%s: %v, want %v", name, r.events, want)
			}
			if beats := slices.Contains(r.comments, "heartbeat"); beats == c.asks {
				t.Errorf("%s: comments %q", name, r.comments)
			}
			defer c.open.close()
		}
	})
}

func TestAskedOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{
			Source: &rows{}, Interval: func() time.Duration { return interval }, Heartbeat: 5 * time.Second, MaxDuration: maxDuration, OldPageDuration: oldPage, Observer: &tally{},
		})
		o := our(b, "")
		o.lasted()
		if r := readEvents(o.text()); len(r.events) != 1 || len(r.comments) < 3 {
			t.Errorf("%v, %q", r.events, r.comments)
		}
	})
}

// Asked counts who was there long enough to answer.
func TestAsked(t *testing.T) {
	for name, c := range map[string]struct {
		leaves time.Duration // after the start; 0: never
		asked  int
	}{
		"stays": {0, 1}, "leaves before": {beat - time.Second, 0}, "leaves at once": {beat + EchoWithin - time.Millisecond, 0}, "leaves later": {beat + EchoWithin + time.Millisecond, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := &tally{}
			o := our(newBridge(&rows{}, seen), "")
			if c.leaves > 0 {
				time.Sleep(c.leaves)
				o.leave()
			}
			o.lasted()
			if got := seen.soFar().asked; got != c.asked {
				t.Errorf("%s: asked %d, want %d", name, got, c.asked)
			}
		})
	}
}

func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UnixMilli()
		time.Sleep(3 * time.Second)
		for text, want := range map[string]time.Duration{
			strconv.FormatInt(now, 10):              3 * time.Second,
			strconv.FormatInt(now+3000+4999, 10):    0, // the other gateway's clock is ahead
			strconv.FormatInt(now+3000-599_999, 10): 599_999 * time.Millisecond,
			strconv.FormatInt(now+3000+5000, 10):    -1, strconv.FormatInt(now+3000-600_000, 10): -1,
			"": -1, "0": -1, "-5": -1, "x": -1, "99999999999999999999": -1, strconv.FormatInt(now, 10) + "&x": -1,
		} {
			got, ok := Echo(text)
			if ok != (want >= 0) || ok && got != want {
				t.Errorf("%q: %s, %t", text, got, ok)
			}
		}
	})
}

// An old page cannot be asked; how its last stream ended is seen when it is back.
func TestReturns(t *testing.T) {
	for name, c := range map[string]struct {
		ends []func(*open)
		wait time.Duration
		want []Return
	}{
		"for the first time": {nil, 0, nil},
		"after an end":       {[]func(*open){func(o *open) { o.lasted() }}, time.Second, []Return{AfterEnd}},
		"too late":           {[]func(*open){func(o *open) { o.lasted() }}, 6 * time.Second, nil},
		"after a cut":        {[]func(*open){(*open).close}, 6 * time.Second, []Return{AfterCut}},
		"much later":         {[]func(*open){(*open).close}, time.Minute, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := &tally{}
			b := newBridge(&rows{}, seen)
			for _, end := range c.ends {
				o := connect(b, "")
				time.Sleep(time.Minute)
				end(o)
			}
			o := back(b, c.wait)
			synctest.Wait()
			o.close()
			if got := seen.soFar().returns; !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		})
	}
}
