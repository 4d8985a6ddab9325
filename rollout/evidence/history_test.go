package evidence

import (
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var begin = time.Unix(1_800_000_000, 0)

// fleet is gateways that come, count, publish and go.
type fleet struct {
	now     time.Time
	names   int
	running map[string]Counts
	gone    map[string]Counts // still in the exchange
	events  []time.Time       // of everything that was counted and published
}

func (f *fleet) reports() map[string]Report {
	all := map[string]Report{}
	for _, of := range []map[string]Counts{f.running, f.gone} {
		for name, c := range of {
			all[name] = Report{Counts: maps.Clone(c)}
		}
	}
	return all
}

func (f *fleet) start() {
	f.names++
	f.running[fmt.Sprint("gateway-", f.names)] = Counts{}
}

func (f *fleet) count() {
	for _, c := range f.running {
		c[PollsOK]++
		f.events = append(f.events, f.now)
	}
}

// Whatever gateways do, and however long ago, a span has what happened in it, and
// little more.
func TestModelHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &fleet{now: begin, running: map[string]Counts{}, gone: map[string]Counts{}}
		h := NewHistory(time.Hour)
		f.start()
		h.See(f.now, f.reports())
		for range rapid.IntRange(1, 300).Draw(t, "looks") {
			f.now = f.now.Add(Every)
			for range rapid.IntRange(0, 3).Draw(t, "polls") {
				f.count()
			}
			h.See(f.now, f.reports())
			switch name := fmt.Sprint("gateway-", f.names); rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				f.start()
			case 1: // a restart; what it published stays for a while
				if c, ok := f.running[name]; ok {
					f.gone[name] = c
					delete(f.running, name)
					f.start()
				}
			case 2:
				clear(f.gone) // the exchange has forgotten them
			}
		}
		span := time.Duration(rapid.IntRange(2, 600).Draw(t, "seconds")) * time.Second
		since := f.now.Add(-span)
		got, over := h.Since(since, f.now)
		if since.Before(begin) {
			if begin.Sub(since) > span/4 && over != 0 {
				t.Fatalf("%s of %s was seen, and taken for enough", over, span)
			}
			return
		}
		longer := span + span/fineness + 2*Every
		if over < span || over > longer {
			t.Fatalf("%s became %s", span, over)
		}
		if least, most := f.between(f.now.Add(-span)), f.between(f.now.Add(-longer)); int(got[PollsOK]) < least || int(got[PollsOK]) > most {
			t.Fatalf("%v counted in %s, want %d to %d", got[PollsOK], span, least, most)
		}
	})
}

// between counts the events after a time.
func (f *fleet) between(from time.Time) (n int) {
	for _, at := range f.events {
		if at.After(from) {
			n++
		}
	}
	return n
}

// What gateways counted before anybody looked is not known to be recent.
func TestTheFirstSightIsTheBase(t *testing.T) {
	h := NewHistory(time.Hour)
	h.See(begin, map[string]Report{"a": {Counts: Counts{PollsOK: 1000}}})
	h.See(begin.Add(4*time.Second), map[string]Report{"a": {Counts: Counts{PollsOK: 1007}}, "b": {Counts: Counts{PollsOK: 2}}})
	if c, over := h.Since(begin, begin.Add(4*time.Second)); c[PollsOK] != 9 || over != 4*time.Second {
		t.Errorf("%v over %s", c, over)
	}
}

// A gateway that was cut off and is back has not done in a moment what it did in minutes.
func TestALateReport(t *testing.T) {
	h := NewHistory(time.Hour)
	for i := range 181 {
		seconds := i * 2
		reports := map[string]Report{"a": {Counts: Counts{Uptime: float64(seconds), SourceReads: float64(10 * seconds)}}}
		if seconds <= 40 || seconds >= 350 {
			reports["b"] = Report{Counts: Counts{Uptime: float64(seconds), SourceReads: float64(10 * seconds)}}
		} else {
			reports["b"] = Report{Counts: Counts{Uptime: 40, SourceReads: 400}}
		}
		h.See(begin.Add(time.Duration(seconds)*time.Second), reports)
	}
	now := begin.Add(360 * time.Second)
	c, over := h.Since(now.Add(-30*time.Second), now)
	if rate := c[SourceReads] / over.Seconds(); rate < 13 || rate > 20 {
		t.Errorf("%.1f reads a second, want 10 of one gateway and 10 of the other since it is back", rate)
	}
}

// A Redis that fails over to an older report, and has the new one again, has not seen
// anything twice.
func TestAnOlderReport(t *testing.T) {
	h := NewHistory(time.Hour)
	empties := func(uptime float64) float64 {
		if uptime < 30 {
			return 0
		}
		return 1
	}
	for i, uptime := range []float64{20, 30, 31, 25, 35, 37, 39, 41, 43, 45} {
		h.See(begin.Add(time.Duration(i)*Every), map[string]Report{"a": {Counts: Counts{Uptime: uptime, FalseEmpties: empties(uptime)}}})
	}
	now := begin.Add(9 * Every)
	for back := 1; back <= 7; back++ {
		if c, over := h.Since(now.Add(-time.Duration(back)*Every), now); over == 0 || c[FalseEmpties] != 0 {
			t.Errorf("%v false empties in the last %s", c[FalseEmpties], over)
		}
	}
}

// A history that is no longer fed knows nothing of now.
func TestAHistoryGrowsOld(t *testing.T) {
	h := NewHistory(time.Hour)
	for i := range 30 {
		h.See(begin.Add(time.Duration(i)*Every), map[string]Report{"a": {Counts: Counts{PollsOK: float64(i)}}})
	}
	for after, known := range map[time.Duration]bool{58 * time.Second: true, 67 * time.Second: true, 74 * time.Second: false, time.Hour: false} {
		now := begin.Add(after)
		if _, over := h.Since(now.Add(-30*time.Second), now); (over > 0) != known {
			t.Errorf("after %s: %s", after, over)
		}
	}
}

// Hours of looks are kept in some hundreds of sights, however many gateways there were.
func TestHistoryIsBounded(t *testing.T) {
	const reach, ran = 2 * time.Hour, 150 * time.Minute
	h := NewHistory(reach)
	for i := range int(ran / Every) {
		h.See(begin.Add(time.Duration(i)*Every), map[string]Report{fmt.Sprint("gateway-", i/100): {Counts: Counts{PollsOK: float64(i % 100)}}})
	}
	if len(h.seen) > 500 || len(h.last) > 20 {
		t.Errorf("%d sights, %d gateways", len(h.seen), len(h.last))
	}
	now := begin.Add(ran - Every)
	if _, over := h.Since(now.Add(-reach), now); over < reach || over > reach+reach/50 {
		t.Errorf("%s became %s", reach, over)
	}
}

// The quantile is that of the items themselves, as exactly as the edges let it be.
func TestModelQuantile(t *testing.T) {
	edges := []float64{0.5, 1, 2, 5, 10, 60, math.Inf(1)}
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.Float64Range(0, 100), 0, 200).Draw(t, "items")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		c := Counts{}
		for _, edge := range edges {
			c[StalenessCount(Poll, edge)] = 0
			for _, item := range items {
				if item <= edge {
					c[StalenessCount(Poll, edge)]++
				}
			}
		}
		got := quantile(c, Poll, q)
		if got.Samples != len(items) || got.Err != nil {
			t.Fatalf("%+v of %d", got, len(items))
		}
		if len(items) == 0 {
			return
		}
		low, high := bucketOf(items, edges, q)
		if got.Value < low || got.Value > high {
			t.Fatalf("%v, want %v to %v", got.Value, low, high)
		}
	})
}

// bucketOf finds the q-quantile's bucket by counting items; the last one has no
// width.
func bucketOf(items, edges []float64, q float64) (low, high float64) {
	for _, edge := range edges {
		n := 0
		for _, item := range items {
			if item <= edge {
				n++
			}
		}
		if n > 0 && float64(n) >= q*float64(len(items)) {
			if math.IsInf(edge, 1) {
				return low, low
			}
			return low, edge
		}
		low = edge
	}
	return low, low
}

// A gateway whose counts come into sight only now is not new, if it has counted for
// longer: what it counted long ago is no evidence of today.
func TestHistoryOfAGatewayThatIsNotNew(t *testing.T) {
	h := NewHistory(time.Hour)
	see := func(after time.Duration, reports map[string]Report) {
		h.See(begin.Add(after), reports)
	}
	report := func(uptime time.Duration, polls float64) Report {
		return Report{Counts: Counts{Uptime: uptime.Seconds(), PollsOK: polls}}
	}
	see(0, map[string]Report{"me": report(0, 0)}) // Redis was emptied just now
	see(2*time.Second, map[string]Report{"me": report(2*time.Second, 1), "old": report(time.Hour, 1000), "new": report(time.Second, 10)})
	see(4*time.Second, map[string]Report{"me": report(4*time.Second, 2), "old": report(time.Hour, 1100), "new": report(3*time.Second, 20)})
	if c, _ := h.Since(begin, begin.Add(4*time.Second)); c[PollsOK] != 2+100+20 {
		t.Errorf("%v polls", c[PollsOK])
	}
}
