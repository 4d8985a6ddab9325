package scale

import (
	"time"

	"sluice/proxy/config"
)

// million is the fleet that docs/scale.md is about.
const million = 1_000_000

// fleetOf is a part of the fleet, with as much of everything that it shares: what it
// counts a second, times million/users, is what the whole counts.
func fleetOf(users int) Settings {
	part := func(n int) int { return max(1, n*users/million) }
	c := config.Default()
	c.Limits.Polls = part(c.Limits.Polls)
	return Settings{
		Users: users, Gateways: 4, Kind: Postgres, Redis: true, Habits: Office, Config: c, Concurrent: part(concurrentReads),
		Warm: 3 * time.Minute, Length: 6 * time.Minute, Seed: 9,
	}
}

// bears is about twice what the fleet reads a second: a source that is not bored.
const bears = 40_000

// begins is when something happens to a fleet, a minute after it is warm.
const begins = 4 * time.Minute

// trouble is a fleet to which something happens for a while.
func trouble(users int, lasts time.Duration, begin, end func(*fleet)) Settings {
	s := fleetOf(users)
	s.Slow, s.Bears = true, max(1, bears*users/million)
	s.Length = 12 * time.Minute
	s.Events = []Event{{begins, begin}, {begins + lasts, end}}
	return s
}

// scenario is a run of which the report has a table and a plot.
type scenario struct {
	name, title string
	users       int
	settings    func(users int) Settings
	windows     []window // of the table
}

// window is a part of a run.
type window struct {
	what        string
	from, until time.Duration
}

// around are the windows of a trouble that lasts so long.
func around(lasts time.Duration) []window {
	end := begins + lasts
	return []window{
		{"before", begins - time.Minute, begins},
		{"its first 20 s", begins, begins + 20*time.Second},
		{"the rest of it", begins + 20*time.Second, end},
		{"20 s after it", end, end + 20*time.Second},
		{"the minute after that", end + 20*time.Second, end + 80*time.Second},
		{"at the end of the run", 11 * time.Minute, 12 * time.Minute},
	}
}

var scenarios = []scenario{
	{"deploy", "A deploy: four gateways are exchanged, one every 15 s", million, deploy, []window{
		{"before", begins - time.Minute, begins},
		{"meanwhile", begins, begins + time.Minute},
		{"the minute after", begins + time.Minute, begins + 2*time.Minute},
	}},
	{"source-down", "The source is down for 2 minutes", million, func(users int) Settings {
		return trouble(users, 2*time.Minute, turns(Down), turns(Well))
	}, around(2 * time.Minute)},
	{"source-hangs", "The source hangs for 2 minutes", million / 10, func(users int) Settings {
		return trouble(users, 2*time.Minute, turns(Hangs), turns(Well))
	}, around(2 * time.Minute)},
	{"source-slow", "The source bears 12,000 reads a second for 4 minutes", million / 10, func(users int) Settings {
		return trouble(users, 4*time.Minute, slows(12_000), slows(bears))
	}, around(4 * time.Minute)},
	{"redis-down", "Redis is gone for 2 minutes, and comes back empty", million / 10, func(users int) Settings {
		return trouble(users, 2*time.Minute, func(f *fleet) { f.redis.down.Store(true) }, func(f *fleet) {
			f.redis.lose()
			f.redis.down.Store(false)
		})
	}, around(2 * time.Minute)},
	{"gateways-down", "No gateway can be reached for 2 minutes, and all come back new", million / 10, func(users int) Settings {
		return trouble(users, 2*time.Minute, func(f *fleet) { clear(f.up) }, func(f *fleet) {
			for i := range f.gateways {
				f.start(i)
			}
		})
	}, around(2 * time.Minute)},
}

func turns(h Health) func(*fleet) { return func(f *fleet) { f.app.turn(h) } }

func slows(reads int) func(*fleet) {
	return func(f *fleet) { f.app.bears(max(1, reads*f.Users/million)) }
}

// deploy exchanges one gateway after the other. What is in front sends it no more from
// when it says that it is going to stop, and has the new one 5 s later.
func deploy(users int) Settings {
	s := fleetOf(users)
	for i := range s.Gateways {
		at := begins + time.Duration(i)*15*time.Second
		s.Events = append(s.Events, Event{at, func(f *fleet) { f.up[i] = false }}, Event{at + 5*time.Second, func(f *fleet) { f.start(i) }})
	}
	return s
}

// day is 24 hours: three of four users come to work in the morning, the others at any
// time and not for long.
func day(users int) Settings {
	s := fleetOf(users)
	s.Warm, s.Length = 0, 24*time.Hour
	s.Sessions = func(r *random) (from, until time.Duration) {
		if r.share() < 0.75 {
			// The sum of four is nearly normal: around 9:00, most within an hour and a half.
			from = 6*time.Hour + scaled(6*time.Hour, (r.share()+r.share()+r.share()+r.share())/4)
			return from, from + 5*time.Hour + scaled(4*time.Hour, r.share())
		}
		from = 5*time.Hour + scaled(17*time.Hour, r.share())
		return from, from + time.Minute + r.after(40*time.Minute)
	}
	return s
}
