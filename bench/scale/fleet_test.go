package scale

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// run runs a small fleet.
func run(t *testing.T, s Settings) (r result, m *measured) {
	t.Helper()
	simulate(t, s, func(f *fleet, got *measured) { r, m = f.result(got), got })
	return r, m
}

func small(users int) Settings {
	s := fleetOf(users)
	s.Warm, s.Length = 2*time.Minute, 4*time.Minute
	return s
}

func TestSameSeedSameRun(t *testing.T) {
	_, a := run(t, small(300))
	_, b := run(t, small(300))
	other := small(300)
	other.Seed++
	_, c := run(t, other)
	if !slices.Equal(a.seconds, b.seconds) || !slices.Equal(a.ages, b.ages) {
		t.Error("two runs with one seed differ")
	}
	if slices.Equal(a.seconds, c.seconds) {
		t.Error("two runs with two seeds are equal")
	}
}

// What a part counts, times what it is a part of, is what the whole counts.
func TestAPartTellsOfTheWhole(t *testing.T) {
	a, _ := run(t, small(1000))
	b, _ := run(t, small(3000))
	for what, v := range map[string][2]float64{
		"polls": {a.polls, b.polls}, "reads": {a.reads, b.reads}, "commands": {a.commands, b.commands}, "entries": {a.keys, b.keys},
	} {
		if math.Abs(v[0]/v[1]-1) > 0.05 {
			t.Errorf("%s: %.0f of a thousand, %.0f of three thousand", what, v[0], v[1])
		}
	}
}

// The cache spares what it promises, and makes nobody wait.
func TestWhatTheCacheSpares(t *testing.T) {
	with, _ := run(t, small(1000))
	off := small(1000)
	off.Config.Cache.StalenessBound = 0
	without, _ := run(t, off)
	if without.local != 0 || without.reads < without.polls*0.999 {
		t.Errorf("without a cache %.0f polls, %.0f reads", without.polls, without.reads)
	}
	if with.reads > with.polls*0.2 {
		t.Errorf("with a cache %.0f polls, %.0f reads", with.polls, with.reads)
	}
	for i := range with.stale {
		if math.Abs(with.stale[i]-without.stale[i]) > 1.2 {
			t.Errorf("staleness %.1f with a cache, %.1f without", with.stale, without.stale)
		}
	}
}

// What backend/tune says of a fleet is true of it.
func TestTuneSaysWhatHappens(t *testing.T) {
	r, _ := run(t, small(1000))
	whole := float64(million) / float64(r.Users)
	if most := whole * r.measured.Polls(5); r.polls > most || r.polls < most/4 {
		t.Errorf("%.0f polls, said to be at most %.0f, and four times as rare when nothing happens", r.polls, most)
	}
	if said := r.measured.Staleness(5, 0.95); r.stale[1] > said*1.05 || r.stale[1] < said/2 {
		t.Errorf("staleness %.1f s at 95 %%, said to be at most %.1f", r.stale[1], said)
	}
	if r.clients < 0.85*r.visible || r.clients > 1.15*r.visible {
		t.Errorf("%.0f clients, really %.0f", r.clients, r.visible)
	}
}

// The trouble scenarios in small: what has to be true of them whatever the figures.
func TestTroubleIsOver(t *testing.T) {
	for name, begin := range map[string]func(*fleet){
		"down": turns(Down), "hangs": turns(Hangs), "gone": func(f *fleet) { clear(f.up) },
	} {
		t.Run(name, func(t *testing.T) {
			s := trouble(500, 2*time.Minute, begin, func(f *fleet) {
				f.app.turn(Well)
				for i := range f.up {
					f.up[i] = true
				}
			})
			s.Warm, s.Length = 2*time.Minute, 8*time.Minute
			s.Config.Limits.Polls, s.Concurrent = 8, 4 // as small a part of the fleet's would be full by chance
			r, m := run(t, s)
			if before := m.rate(3*time.Minute, begins, failures); before > 0 {
				t.Errorf("%.1f polls a second fail before anything happens", before)
			}
			if at := m.rate(begins, begins+10*time.Second, failures); at == 0 {
				t.Error("nothing fails, so this shows nothing")
			}
			if after := m.rate(begins+3*time.Minute, s.Length, failures); after > 0 {
				t.Errorf("%.1f polls a second fail a minute after it is over", after)
			}
			if r.unlinks == 0 {
				t.Error("the tail names nobody")
			}
		})
	}
}

func failures(s sample) int64 { return s.failed }

// A source that bears not all of what is asked of it, and answers so many at a time that none
// is slow before there is no room: clients poll more rarely, and most are answered.
func TestPollsThatAreTurnedAwayAreHeardOf(t *testing.T) {
	s := trouble(2000, 4*time.Minute, slows(10_000), slows(bears))
	s.Warm, s.Length, s.Gateways = 2*time.Minute, 8*time.Minute, 1
	s.Config.Limits.Polls, s.Concurrent = 8, 4
	_, m := run(t, s)
	turnedAway := func(from, until time.Duration) float64 {
		return m.rate(begins+from, begins+until, failures) / m.rate(begins+from, begins+until, func(s sample) int64 { return s.polls })
	}
	atFirst, inTheEnd := turnedAway(20*time.Second, time.Minute), turnedAway(3*time.Minute, 4*time.Minute)
	if atFirst < 0.05 {
		t.Errorf("only %.0f %% of polls fail at first, so this shows nothing", 100*atFirst)
	}
	if inTheEnd > 0.15 {
		t.Errorf("%.0f %% of polls fail at first, %.0f %% still in its fourth minute", 100*atFirst, 100*inTheEnd)
	}
	if told := m.told(begins+3*time.Minute, begins+4*time.Minute); told < 20*time.Second {
		t.Errorf("clients are told to poll every %s", told)
	}
}

// Everybody who is there gets everything.
func TestNobodyMissesAnything(t *testing.T) {
	s := small(300)
	s.Habits.Item = time.Minute
	got := map[string]int{}
	synctest.Test(t, func(*testing.T) {
		f := newFleet(s)
		front := f.front
		f.front = func(b *browser, user, after string, elapsed time.Duration) func() reply {
			r := front(b, user, after, elapsed)()
			if after != "" {
				got[user] += len(r.items)
			}
			return func() reply { return r }
		}
		f.run()
		for i := range f.app.rows {
			user, first := f.app.names[i], f.app.rows[i]
			// One that was there from the start, with its one page in front, is shown each item once.
			if got[user] > 0 && len(first) > 1 && f.browsers[i].back.place == "" && f.browsers[i].state == used {
				if missing := len(first) - 1 - got[user]; missing > 1 {
					t.Errorf("%s was shown %d of %d", user, got[user], len(first)-1)
				}
			}
		}
	})
	if len(got) < 100 {
		t.Errorf("only %d users were shown something", len(got))
	}
}

func TestWheel(t *testing.T) {
	w, want := newWheel(3), []time.Duration{tick, 3 * tick, 2*slots*tick + 5*tick}
	for i, at := range want {
		w.set(int32(i), at)
	}
	var got [3]time.Duration
	for now := time.Duration(0); now < 3*slots*tick; now += tick {
		w.turn(func(i int32) {
			if got[i] != 0 {
				t.Errorf("the alarm of %d goes off again", i)
			}
			got[i] = now
		})
	}
	if !slices.Equal(got[:], want) {
		t.Errorf("alarms go off at %v, want %v", got, want)
	}
}
