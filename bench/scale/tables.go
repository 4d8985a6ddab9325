package scale

import (
	"fmt"
	"time"

	"sluice/backend/tune"
)

// variant is a fleet that differs in what it reads, or in what is in front of it.
type variant struct {
	what   string
	change func(*Settings)
}

var variants = []variant{
	{"PostgreSQL with its tail, Redis, 4 gateways", func(*Settings) {}},
	{"… 1 gateway", func(s *Settings) { s.Gateways = 1 }},
	{"… 2 gateways", func(s *Settings) { s.Gateways = 2 }},
	{"… 8 gateways", func(s *Settings) { s.Gateways = 8 }},
	{"… 16 gateways", func(s *Settings) { s.Gateways = 16 }},
	{"… 8 gateways, a browser keeps to one of them", func(s *Settings) { s.Gateways, s.Sticky = 8, true }},
	{"… a browser keeps to one of them", func(s *Settings) { s.Sticky = true }},
	{"… without Redis", func(s *Settings) { s.Redis = false }},
	{"… without Redis, a browser keeps to one of them", func(s *Settings) { s.Redis, s.Sticky = false, true }},
	{"SQLite with its tail, 1 gateway, without Redis", func(s *Settings) { s.Kind, s.Gateways, s.Redis = SQLite, 1, false }},
	{"the app's endpoint with signals, Redis, 4 gateways", func(s *Settings) { s.Kind = Signals }},
	{"the app's endpoint without signals, Redis, 4 gateways", func(s *Settings) { s.Kind = Unheard }},
	{"PostgreSQL, Redis, 4 gateways, poll.interval 10 s", func(s *Settings) { s.Config.Poll.Interval = 10 * time.Second }},
	{"PostgreSQL, Redis, 4 gateways, cache.staleness_bound 0", func(s *Settings) { s.Config.Cache.StalenessBound = 0 }},
}

// result is what a fleet did from when it was warm, as the whole has it.
type result struct {
	Settings
	polls, local, shared, reads, commands, bytes, unlinks, keys float64
	stale                                                       []float64
	clients                                                     float64 // by tune's count
	measured                                                    tune.Measured
	visible                                                     float64 // browsers that poll, in the last second
}

func (f *fleet) result(m *measured) result {
	whole := float64(million) / float64(f.Users)
	rate := func(of func(sample) int64) float64 { return whole * m.rate(f.Warm, f.Length, of) }
	r := result{
		Settings: f.Settings, stale: m.staleness(f.Warm, f.Length, 0.5, 0.95, 0.99),
		polls:    rate(func(s sample) int64 { return s.polls }),
		local:    rate(func(s sample) int64 { return s.local }),
		shared:   rate(func(s sample) int64 { return s.shared }),
		reads:    rate(func(s sample) int64 { return s.reads }),
		commands: rate(sample.commands), bytes: rate(sample.bytes),
		unlinks:  rate(func(s sample) int64 { return s.unlinks }),
		measured: f.tuning.Measured(f.app.start.Add(f.Length), f.Config.Tune.Quantile),
	}
	r.clients = whole * r.measured.Clients
	if f.redis != nil {
		r.keys = whole * float64(f.redis.keys())
	}
	for i := range f.browsers {
		if s := f.browsers[i].state; s == used || s == idle {
			r.visible += whole
		}
	}
	return r
}

func variantsTable(results []result) string {
	t := newTable("Fleet", "Polls/s", "answered in memory", "by Redis", "Reads/s", "Redis commands/s", "MB/s", "entries", "of memory", "Staleness p50", "p95", "p99")
	for i, r := range results {
		redis := []string{"", "", "", ""}
		if r.Redis {
			redis = []string{rounded(r.commands), fmt.Sprintf("%.1f", r.bytes/1e6), rounded(r.keys), fmt.Sprintf("%.0f MB", r.keys*entryBytes/1e6)}
		}
		t.row(append(append([]string{variants[i].what, rounded(r.polls), percent(r.local / r.polls), percent(r.shared / r.polls), rounded(r.reads)}, redis...),
			seconds(r.stale[0]), seconds(r.stale[1]), seconds(r.stale[2]))...)
	}
	return fmt.Sprintf("Simulated with %s users, and counted for a million.\n\n%s", rounded(float64(results[0].Users)), t)
}

// growthTable compares parts of the fleet of several sizes.
func growthTable(results []result) string {
	t := newTable("Simulated users", "Polls/s", "answered in memory", "by Redis", "Reads/s", "Redis commands/s", "entries", "Staleness p50", "p95", "p99")
	for _, r := range results {
		t.row(rounded(float64(r.Users)), rounded(r.polls), percent(r.local/r.polls), percent(r.shared/r.polls), rounded(r.reads), rounded(r.commands), rounded(r.keys),
			seconds(r.stale[0]), seconds(r.stale[1]), seconds(r.stale[2]))
	}
	return t.String()
}

// tuningTable compares what backend/tune says of a fleet with what happened to it.
func tuningTable(r result) string {
	interval, quantile := r.Config.Poll.Interval.Seconds(), r.Config.Tune.Quantile
	whole := float64(million) / float64(r.Users)
	target := tune.Target{Staleness: r.Config.Tune.StalenessTarget.Seconds(), Quantile: quantile, Ceiling: r.Config.Poll.Ceiling.Seconds()}
	t := newTable("What", "by backend/tune", "in the simulation")
	t.row("clients that poll as they are told", rounded(r.clients), fmt.Sprintf("%s browsers with a visible tab", rounded(r.visible)))
	t.row(fmt.Sprintf("polls a second at %.0f s", interval), fmt.Sprintf("at most %s (all of them busy)", rounded(whole*r.measured.Polls(interval))), rounded(r.polls))
	t.row("of these, polls that no interval moves", rounded(whole*r.measured.Unmoved), "first polls of pages")
	t.row("stretch", fmt.Sprintf("%.2f", r.measured.Stretch), "")
	t.row(fmt.Sprintf("staleness at %.0f %%", 100*quantile), seconds(r.measured.Staleness(interval, quantile))+" at most", seconds(r.stale[1]))
	t.row(fmt.Sprintf("recommended for %.0f s at %.0f %%", target.Staleness, 100*quantile), seconds(tune.Recommend(target, r.measured).Interval), "")
	return t.String()
}

// dayTable is what a day comes to.
func dayTable(s Settings, m *measured) string {
	whole := float64(million) / float64(s.Users)
	t := newTable("Of a day", "in all", "busiest minute, a second")
	for _, c := range []struct {
		what string
		of   func(sample) int64
	}{
		{"polls", func(s sample) int64 { return s.polls }},
		{"answered in memory", func(s sample) int64 { return s.local }},
		{"answered by Redis", func(s sample) int64 { return s.shared }},
		{"reads of the source", func(s sample) int64 { return s.reads }},
		{"commands to Redis", sample.commands},
		{"bytes to and from Redis", sample.bytes},
	} {
		busiest := 0.0
		for at := time.Duration(0); at < s.Length; at += time.Minute {
			busiest = max(busiest, m.rate(at, at+time.Minute, c.of))
		}
		t.row(c.what, rounded(whole*m.rate(0, s.Length, c.of)*s.Length.Seconds()), rounded(whole*busiest))
	}
	present := 0
	for _, n := range m.present {
		present = max(present, n)
	}
	stale := m.staleness(0, s.Length, 0.5, 0.95, 0.99)
	return fmt.Sprintf("Simulated with %s users, and counted for a million. At most %s browsers were there at a time; staleness was %s at 50 %%, %s at 95 %% and %s at 99 %%.\n\n%s",
		rounded(float64(s.Users)), rounded(whole*float64(present)), seconds(stale[0]), seconds(stale[1]), seconds(stale[2]), t)
}
