package tune

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// crowd is clients as client/src/schedule.ts has them, written anew from what that
// file says, and items that come to each of them at random. It knows nothing of the
// formula.
type crowd struct {
	clients  int
	interval float64 // seconds, told
	request  float64 // seconds until an answer is there
	items    float64 // a second and client
	adaptive bool    // rarer polls while nothing happens
	use      float64 // share of the clients whose page somebody uses all the time
}

// seen is what came of it.
type seen struct {
	ages     []float64 // of items when they were shown, really
	polls    int
	measured *Window
	end      time.Time
}

type tab struct {
	due, knew, busy float64 // the next poll, the last success, the last reason not to wait
	factor          float64
	item            float64 // when the next one comes
	used            bool
}

type tabs []*tab

func (t tabs) Len() int           { return len(t) }
func (t tabs) Less(i, j int) bool { return t[i].due < t[j].due }
func (t tabs) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *tabs) Push(x any)        { *t = append(*t, x.(*tab)) }
func (t *tabs) Pop() any          { panic("never") }

var epoch = time.Unix(1e9, 0)

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// run lets twenty minutes pass, and looks at the second half of them.
func (c crowd) run(seed uint64) seen {
	const length = 1200.0
	r, s := rand.New(rand.NewPCG(seed, 7)), seen{measured: NewWindow(epoch), end: at(length)}
	var all tabs
	for i := range c.clients {
		start := r.Float64() * c.interval
		all = append(all, &tab{due: start, knew: start, busy: start, factor: 1, item: r.ExpFloat64() / c.items, used: float64(i) < c.use*float64(c.clients)})
	}
	heap.Init(&all)
	for all[0].due < length {
		c.poll(r, all[0], &s, all[0].due > length/2)
		heap.Fix(&all, 0)
	}
	return s
}

func (c crowd) poll(r *rand.Rand, t *tab, s *seen, counts bool) {
	asked, answered := t.due, t.due+c.request
	s.measured.Polled(at(answered), duration(c.request))
	s.measured.Observed(at(answered), duration(math.Round(asked-t.knew)), duration(c.interval))
	if counts {
		s.polls++
	}
	for ; t.item <= asked; t.item += r.ExpFloat64() / c.items {
		s.measured.Delivered(at(answered), duration(answered-math.Floor(t.item)))
		if counts {
			s.ages = append(s.ages, answered-t.item)
		}
		t.busy, t.factor = answered, 1
	}
	if t.used {
		t.busy, t.factor = answered, 1
	}
	if c.adaptive && answered-t.busy > 60 {
		t.factor = min(4, t.factor*1.25)
	}
	t.knew, t.due = answered, answered+c.interval*t.factor*(0.9+0.2*r.Float64())
}

func (s seen) quantile(p float64) float64 {
	slices.Sort(s.ages)
	return s.ages[int(p*float64(len(s.ages)))]
}

const (
	seldom = 1.0 / 900 // an item in a quarter of an hour
	often  = 1.0 / 60
)

// Who sets what is recommended, and a while later what is recommended then, has the
// target: clients that are adaptive change with the interval. The error is that which
// docs/tuning.md states.
func TestTheRecommendationKeepsItsTarget(t *testing.T) {
	for name, c := range map[string]crowd{
		"clients that are not adaptive": {items: often, request: 0.05},
		"adaptive, seldom told":         {items: seldom, request: 0.05, adaptive: true},
		"adaptive, often told":          {items: often, request: 0.05, adaptive: true},
		"half of them used":             {items: seldom, request: 0.05, adaptive: true, use: 0.5},
		"a slow gateway":                {items: often, request: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, target := range []Target{
				{Staleness: 10, Quantile: 0.5, Ceiling: 600}, {Staleness: 20, Quantile: 0.95, Ceiling: 600},
			} {
				c.clients, c.interval = 500, 5
				now := c.run(1)
				for round := range uint64(2) {
					c.interval = Recommend(target, now.measured.Measured(now.end, target.Quantile)).Interval
					now = c.run(2 + round)
				}
				got := now.quantile(target.Quantile) / target.Staleness
				t.Logf("%+v: T %.2f, staleness %.3f of the target", target, c.interval, got)
				if got < 0.78 || got > 1.06 {
					t.Errorf("%+v: T %.2f gives %.3f of the target", target, c.interval, got)
				}
			}
		})
	}
}

// What is measured is what is there.
func TestMeasured(t *testing.T) {
	for name, c := range map[string]crowd{
		"plain":    {clients: 2000, interval: 5, items: often, request: 0.1},
		"long":     {clients: 2000, interval: 30, items: often, request: 0.1},
		"adaptive": {clients: 2000, interval: 5, items: seldom, request: 0.1, adaptive: true},
	} {
		s := c.run(3)
		m := s.measured.Measured(s.end, 0.95)
		if m.Clients < 1900 || m.Clients > 2050 {
			t.Errorf("%s: %.0f clients, really 2000", name, m.Clients)
		}
		if m.Unmoved > 1 {
			t.Errorf("%s: %.1f polls of others, really 0", name, m.Unmoved)
		}
		if m.Overhead < 0.2 || m.Overhead > 1.1 { // 0.1 for the request, 0.5 for created_at; 500 items are not exact
			t.Errorf("%s: overhead %.2f", name, m.Overhead)
		}
		if adaptive := m.Stretch > 3; adaptive != c.adaptive {
			t.Errorf("%s: stretch %.2f", name, m.Stretch)
		}
		if got := m.Polls(c.interval); float64(s.polls)/600 > got*1.03 {
			t.Errorf("%s: %.0f polls a second, said to be at most %.0f", name, float64(s.polls)/600, got)
		}
	}
}
