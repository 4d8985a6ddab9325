package scale

import (
	"context"
	"math"
	"sync"
	"time"

	"sluice/backend/latest"
	"sluice/backend/tune"
	"sluice/proxy/config"
)

// Settings say what a fleet is.
type Settings struct {
	Name     string
	Users    int
	Gateways int
	Kind     Kind
	Redis    bool
	Sticky   bool // a browser's polls go to one gateway; otherwise each goes to any
	Bears    int  // reads a second that the app answers; 0: any number, at once
	Habits   Habits
	Config   config.Config
	// Concurrent is how many reads of a gateway may be under way.
	Concurrent int
	Length     time.Duration
	Warm       time.Duration // what counts begins after it
	// Sessions says when a browser comes and goes; nil: all are there.
	Sessions func(*random) (from, until time.Duration)
	Events   []Event
	Seed     uint64
	// Slow lets polls wait: there is an app that has a limit or hangs.
	Slow bool
}

// Event is something that happens to a fleet.
type Event struct {
	At time.Duration
	Do func(*fleet)
}

// fleet is browsers, gateways and what they read.
type fleet struct {
	Settings
	app      *app
	redis    *redisModel
	browsers []browser
	wheel    *wheel
	gateways []*gateway
	up       []bool
	counts   counts
	random   random
	present  int // browsers that are there
	tuning   *tune.Window
	measured *measured

	mu    sync.Mutex // over browsers, wheel, measured, and which gateways there are
	now   time.Duration
	under sync.WaitGroup
	// front decides where a poll goes, and returns what takes the time.
	front func(b *browser, user, after string, elapsed time.Duration) func() reply
	wrote func(user string) // told of each item
}

func newFleet(s Settings) *fleet {
	f := &fleet{
		Settings: s, app: newApp(s.Kind, s.Users), random: random(s.Seed), measured: newMeasured(s.Warm),
		browsers: make([]browser, int(math.Round(float64(s.Users)*s.Habits.Browsers))), tuning: tune.NewWindow(time.Now()),
	}
	f.front, f.wrote = f.balance, f.signal
	f.app.bears(s.Bears)
	if s.Redis {
		f.redis = newRedisModel(s.Users)
	}
	f.wheel = newWheel(len(f.browsers))
	for i := range f.browsers {
		f.browsers[i] = f.newBrowser(i)
		f.wheel.set(int32(i), f.browsers[i].alarm())
	}
	f.up = make([]bool, s.Gateways)
	f.gateways = make([]*gateway, s.Gateways)
	for i := range f.gateways {
		f.start(i)
	}
	return f
}

func (f *fleet) newBrowser(i int) browser {
	b := browser{
		user: int32(i % f.Users), random: random(f.Seed<<32 + uint64(i)), due: never, change: never, end: never,
	}
	b.gateway = int32(b.random.below(f.Gateways))
	if f.Sessions != nil {
		b.turn, b.end = f.Sessions(&b.random)
		return b
	}
	b.join(scaled(f.Warm/4, b.random.share()), &f.Habits)
	f.present++
	return b
}

func (f *fleet) shared() latest.Cache {
	if f.redis == nil {
		return nil
	}
	return f.redis
}

// start starts a gateway, with an empty memory. Its looks fall between two ticks.
func (f *fleet) start(i int) {
	if f.gateways[i] != nil {
		f.gateways[i].stop()
	}
	offset := time.Duration(i)*61*time.Millisecond%f.period() + time.Millisecond
	f.gateways[i], f.up[i] = newGateway(&f.Settings, f.app, f.shared(), &f.counts, offset), true
}

func (f *fleet) period() time.Duration { return max(f.Kind.Period, tick) }

// run lets time pass. It has to be in a bubble of testing/synctest, or else it takes
// as long as it says.
func (f *fleet) run() *measured {
	start := time.Now()
	for events := f.Events; f.now < f.Length; f.now += tick {
		for ; len(events) > 0 && events[0].At <= f.now; events = events[1:] {
			f.happens(events[0])
		}
		f.step()
		if (f.now+tick)%time.Second == 0 {
			f.second()
		}
		time.Sleep(time.Until(start.Add(f.now + tick)))
	}
	f.under.Wait()
	for _, g := range f.gateways {
		g.stop()
	}
	return f.measured
}

func (f *fleet) happens(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Do(f)
}

func (f *fleet) step() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write()
	f.wheel.turn(func(i int32) {
		b := &f.browsers[i]
		before := b.state
		polls := b.step(f.now, &f.Habits)
		f.present += came(before, b.state)
		if !polls {
			f.wheel.set(i, b.alarm())
			return
		}
		f.poll(i, b)
	})
}

func came(before, after state) int {
	switch {
	case before == absent && after != absent:
		return 1
	case before != absent && after == absent:
		return -1
	}
	return 0
}

// write makes the items of a tick, at random, each for a user who is there.
func (f *fleet) write() {
	mean := float64(f.present) * tick.Seconds() / f.Habits.Item.Seconds()
	for left := f.random.after(time.Second).Seconds(); left < mean; left += f.random.after(time.Second).Seconds() {
		b := &f.browsers[f.random.below(len(f.browsers))]
		for b.state == absent {
			b = &f.browsers[f.random.below(len(f.browsers))]
		}
		f.item(b.user)
	}
}

// item makes one.
func (f *fleet) item(user int32) {
	f.app.write(user, f.now)
	f.wrote(f.app.names[user])
}

// signal is the app's, to every gateway, if it sends any.
func (f *fleet) signal(user string) {
	for i, g := range f.gateways {
		if f.Kind.Signals && f.up[i] {
			g.feed.Signal(context.Background(), user)
		}
	}
}

// poll asks for a browser, in its own goroutine if the answer may take time.
func (f *fleet) poll(i int32, b *browser) {
	after, elapsed := b.ask(f.now)
	user := f.app.names[b.user]
	f.counts.polls.Add(1)
	asks := f.front(b, user, after, elapsed)
	if !f.Slow {
		f.answer(i, f.now, asks(), elapsed)
		return
	}
	f.under.Go(func() {
		r := asks()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.answer(i, f.elapsed(), r, elapsed)
	})
}

// elapsed is the time within a tick.
func (f *fleet) elapsed() time.Duration { return time.Since(f.app.start) }

// answer gives a browser its reply. f.mu is held.
func (f *fleet) answer(i int32, now time.Duration, r reply, elapsed time.Duration) {
	b := &f.browsers[i]
	if r.failed {
		f.counts.failed.Add(1)
	} else {
		f.tuned(now, &r, elapsed, b.shown)
	}
	b.answered(now, &r, b.random.share())
	f.wheel.set(i, b.alarm())
}

// rounding is proxy/staleness.go's: what an item may look older than the client's wait.
const rounding = 1500 * time.Millisecond

// tuned measures as proxy/staleness.go does: of clients that were there.
func (f *fleet) tuned(now time.Duration, r *reply, elapsed time.Duration, shown bool) {
	at := f.app.start.Add(now)
	f.tuning.Polled(at, 0)
	if elapsed <= 0 || elapsed > 2*f.Config.Poll.Ceiling {
		return
	}
	f.tuning.Observed(at, elapsed, f.Config.Poll.Interval)
	for _, created := range r.items {
		age := at.Sub(created)
		f.measured.delivered(now, age, !shown)
		if age <= elapsed+rounding {
			f.tuning.Delivered(at, age)
		}
	}
}

// balance is what is in front of the gateways.
func (f *fleet) balance(b *browser, user, after string, _ time.Duration) func() reply {
	n := int(b.gateway)
	if !f.Sticky {
		n = b.random.below(f.Gateways)
	}
	for range f.gateways {
		if f.up[n] {
			g, share := f.gateways[n], b.random.share()
			return func() reply {
				ctx, cancel := f.patience()
				defer cancel()
				return g.poll(ctx, user, after, share)
			}
		}
		n = (n + 1) % f.Gateways
	}
	return func() reply { return reply{failed: true} }
}

// onTheWay is what a request spends between the client and the gateway: the client's
// time-out is over before one of the same length in the gateway.
const onTheWay = 20 * time.Millisecond

// patience is how long a client waits for its answer.
func (f *fleet) patience() (context.Context, context.CancelFunc) {
	if !f.Slow {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), clientTimeout-onTheWay)
}

// second has gateways look at their source, and writes down what has been counted.
func (f *fleet) second() {
	interval := time.Duration(0)
	for _, g := range f.gateways {
		g.pace(time.Now())
		interval += time.Duration(g.wait.Load())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.measured.note(f.totals(), interval/time.Duration(max(len(f.gateways), 1)), f.present)
}

func (f *fleet) totals() sample {
	f.app.mu.Lock()
	defer f.app.mu.Unlock()
	s := sample{
		polls: f.counts.polls.Load(), failed: f.counts.failed.Load(),
		local: f.counts.local.Load(), shared: f.counts.shared.Load(), reads: f.app.reads,
	}
	if f.redis != nil {
		s.gets, s.puts, s.unlinks = f.redis.gets.Load(), f.redis.puts.Load(), f.redis.unlinks.Load()
	}
	return s
}
