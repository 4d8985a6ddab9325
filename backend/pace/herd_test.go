package pace

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// herd is clients that poll a source which can answer so many of them a second, one
// after the other, and gives up on whom it cannot answer within the time-out; as
// the gateway does, it advises what a Pacer says, and tells the others to come back
// after that, spread over as long again.
type herd struct {
	random   *rand.Rand
	pacer    *Pacer // nil: the configured interval, whatever happens
	now      time.Duration
	due      events
	each     func(time.Duration) time.Duration // how long a read takes the source, at this time
	free     time.Duration                     // when the source has answered all that were let in
	waits    []wait
	answered map[int]int // by minute
	failed   map[int]int
	longest  map[int]time.Duration // wait of those that were answered
}

type wait struct{ from, until time.Duration }

type event struct {
	at       time.Duration
	failures int
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

const timeout = 10 * time.Second

func newHerd(clients int, paced bool, each func(time.Duration) time.Duration) *herd {
	h := &herd{
		random: rand.New(rand.NewPCG(1, 2)), each: each,
		answered: map[int]int{}, failed: map[int]int{}, longest: map[int]time.Duration{},
	}
	if paced {
		h.pacer = New(Settings{Interval: interval, Ceiling: ceiling, Slow: timeout / 4})
	}
	for range clients {
		h.due = append(h.due, event{at: time.Duration(h.random.Int64N(int64(interval)))})
	}
	heap.Init(&h.due)
	return h
}

func (h *herd) advised() time.Duration {
	if h.pacer == nil {
		return interval
	}
	return h.pacer.Interval()
}

// run lets time pass, with a look at the source each second.
func (h *herd) run(until time.Duration) {
	for ; h.now < until; h.now += time.Second {
		for h.due[0].at < h.now {
			heap.Push(&h.due, h.poll(heap.Pop(&h.due).(event)))
		}
		if h.pacer != nil {
			h.pacer.Observe(time.Unix(1e9, 0).Add(h.now), h.load())
		}
	}
}

// poll returns the client's next one. The advice is that of now, up to a second old.
func (h *herd) poll(e event) event {
	start, minute := max(h.free, e.at), int(e.at/time.Minute)
	done := start + h.each(e.at)
	if done-e.at > timeout {
		h.failed[minute]++
		h.waits = append(h.waits, wait{e.at, e.at + timeout})
		backoff := min(30*time.Second, time.Second<<e.failures)
		pause := h.advised() + time.Duration(h.random.Int64N(int64(h.advised()))) + time.Duration(h.random.Int64N(int64(backoff)))
		return event{e.at + timeout + pause, min(e.failures+1, 5)}
	}
	h.free = done
	h.waits = append(h.waits, wait{e.at, done})
	h.answered[minute]++
	h.longest[minute] = max(h.longest[minute], done-e.at)
	return event{done + time.Duration(float64(h.advised())*(0.9+0.2*h.random.Float64())), 0}
}

// load is what the gateway's guard would say.
func (h *herd) load() Load {
	var ended, open time.Duration
	var closed, kept int
	rest := h.waits[:0]
	for _, w := range h.waits {
		if w.until <= h.now {
			ended, closed = ended+w.until-w.from, closed+1
			continue
		}
		open, kept = open+h.now-w.from, kept+1
		rest = append(rest, w)
	}
	h.waits = rest
	return Load{Took: max(ended/time.Duration(max(closed, 1)), open/time.Duration(max(kept, 1)))}
}

const perRead = 10 * time.Millisecond // of a source that can answer 100 a second

func healthy(time.Duration) time.Duration { return perRead }

// slower is a source that needs so many times as long from minute 2 to minute 12.
func slower(factor time.Duration) func(time.Duration) time.Duration {
	return func(at time.Duration) time.Duration {
		if at >= 2*time.Minute && at < 12*time.Minute {
			return factor * perRead
		}
		return perRead
	}
}

func TestALightLoadIsLeftAlone(t *testing.T) {
	h := newHerd(400, true, healthy) // 80 polls a second
	h.run(30 * time.Minute)
	if h.pacer.Raised() || len(h.failed) > 0 {
		t.Errorf("raised to %s, failed %v", h.pacer.Interval(), h.failed)
	}
}

// A source that needs twice as long as it may: everybody is answered all the same,
// soon without a wait, and afterwards the interval is what it was.
func TestAStepOfLoadFailsNobody(t *testing.T) {
	h := newHerd(400, true, slower(2)) // 80 polls a second, of which it can answer 50
	h.run(12 * time.Minute)
	if !h.pacer.Raised() {
		t.Error("not raised")
	}
	for minute := 4; minute < 12; minute++ {
		if h.longest[minute] > timeout/2 {
			t.Errorf("minute %d: somebody waited %s", minute, h.longest[minute])
		}
		if h.answered[minute] < 50*60*6/10 {
			t.Errorf("minute %d: only %d answers", minute, h.answered[minute])
		}
	}
	h.run(30 * time.Minute)
	if len(h.failed) > 0 || h.pacer.Interval() != interval {
		t.Errorf("failed %v, at the end %s", h.failed, h.pacer.Interval())
	}
}

// One that needs eight times as long cannot answer those who are on their way
// already; the others it can, and it does not collapse. Without a pacer
// somebody fails for as long as it lasts.
func TestAnOverloadIsOver(t *testing.T) {
	paced, fixed := newHerd(400, true, slower(8)), newHerd(400, false, slower(8))
	paced.run(12 * time.Minute)
	fixed.run(12 * time.Minute)
	for minute := 5; minute < 12; minute++ {
		if paced.failed[minute] > 0 || paced.answered[minute] < 750*5/10 {
			t.Errorf("minute %d: %d failed, %d answered of 750 possible", minute, paced.failed[minute], paced.answered[minute])
		}
		if fixed.failed[minute] == 0 {
			t.Errorf("minute %d: nobody fails without a pacer, so this shows nothing", minute)
		}
	}
	paced.run(40 * time.Minute)
	if paced.pacer.Interval() != interval {
		t.Errorf("at the end %s", paced.pacer.Interval())
	}
}

// After an outage the clients do not come back together: the busiest second is not
// far from the usual one.
func TestTheHerdIsSpread(t *testing.T) {
	down := func(at time.Duration) time.Duration {
		if at >= 2*time.Minute && at < 4*time.Minute {
			return time.Hour
		}
		return perRead
	}
	h := newHerd(400, true, down)
	h.run(20 * time.Minute)
	for minute := 5; minute < 20; minute++ {
		if h.failed[minute] > 0 || h.longest[minute] > timeout/4 {
			t.Errorf("minute %d: %d failed, somebody waited %s", minute, h.failed[minute], h.longest[minute])
		}
	}
	if h.answered[19] < 400*60/7 {
		t.Errorf("only %d answers in the last minute", h.answered[19])
	}
}
