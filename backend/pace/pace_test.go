package pace

import (
	"testing"
	"time"
)

const (
	interval = 5 * time.Second
	ceiling  = 60 * time.Second
	slow     = 2500 * time.Millisecond
)

var (
	calm     = Load{Took: 10 * time.Millisecond}
	between  = Load{Took: slow / 2}
	strained = Load{Took: slow}
	failing  = Load{Failing: true}
)

// day is a pacer and its clock, which ticks once a second.
type day struct {
	*Pacer
	now time.Time
}

func begin() *day {
	return &day{New(Settings{Interval: interval, Ceiling: ceiling, Slow: slow}), time.Unix(1e9, 0)}
}

// pass lets time go by under a load.
func (d *day) pass(l Load, t time.Duration) {
	for range t / time.Second {
		d.now = d.now.Add(time.Second)
		d.Observe(d.now, l)
	}
}

func (d *day) want(t *testing.T, what string, want time.Duration) {
	t.Helper()
	if got := d.Interval(); got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestOnlyLoadMovesIt(t *testing.T) {
	d := begin()
	d.want(t, "at first", interval)
	d.pass(calm, time.Hour)
	d.pass(between, time.Hour)
	d.pass(Load{Took: slow - 1}, time.Hour)
	d.want(t, "without strain", interval)
	if d.Raised() {
		t.Error("raised without strain")
	}
}

// Clients have not heard of a raise before their next poll, so load until then
// says nothing about it.
func TestARaiseWaitsForTheLast(t *testing.T) {
	d := begin()
	d.pass(strained, time.Second)
	d.want(t, "slow", 8*time.Second) // 5 + 2.5, in whole seconds
	d.pass(strained, 4*time.Second)
	d.want(t, "before all have heard", 8*time.Second)
	d.pass(strained, time.Second)
	d.want(t, "slow all the same", 11*time.Second)
	d.pass(strained, 7*time.Second)
	d.want(t, "before all have heard again", 11*time.Second)
	d.pass(Load{Took: 9 * time.Second}, time.Second)
	d.want(t, "by the time of a read", 20*time.Second)
	d.pass(strained, 11*time.Second)
	d.want(t, "by a quarter", 25*time.Second)
	if !d.Raised() {
		t.Error("not raised")
	}
}

func TestFailureDoublesUpToTheCeiling(t *testing.T) {
	d := begin()
	for _, step := range []struct{ wait, want time.Duration }{
		{1, 10}, {5, 20}, {10, 40}, {20, 60}, {3600, 60},
	} {
		d.pass(failing, step.wait*time.Second)
		d.want(t, "failing", step.want*time.Second)
	}
}

// It goes back slowly, and only while nothing speaks against it.
func TestItComesBackSlowly(t *testing.T) {
	d := begin()
	d.pass(failing, time.Second)
	d.want(t, "failing", 10*time.Second)
	d.pass(calm, 19*time.Second)
	d.want(t, "too early", 10*time.Second)
	d.pass(between, time.Second)
	d.pass(calm, 19*time.Second)
	d.want(t, "interrupted", 10*time.Second)
	d.pass(calm, time.Second)
	d.want(t, "a fifth", 8*time.Second)
	d.pass(calm, 15*time.Second)
	d.want(t, "twice the interval again", 8*time.Second)
	d.pass(calm, time.Second)
	d.want(t, "another fifth", 6*time.Second)
	d.pass(calm, 12*time.Second)
	d.want(t, "back", interval)
	if d.Raised() {
		t.Error("still raised")
	}
}

func TestFromTheCeilingItTakesMinutes(t *testing.T) {
	d := begin()
	d.pass(failing, time.Hour)
	took := time.Duration(0)
	for d.Raised() {
		d.pass(calm, time.Second)
		took += time.Second
	}
	if took < 8*time.Minute || took > 10*time.Minute {
		t.Errorf("back after %s", took)
	}
}

func TestPause(t *testing.T) {
	d := begin()
	d.pass(failing, time.Second)
	paused := d.settings
	paused.Paused = true
	d.Set(paused)
	d.want(t, "paused", ceiling)
	d.pass(failing, ceiling)
	d.want(t, "and failing", ceiling)
	paused.Paused = false
	d.Set(paused)
	d.want(t, "what was raised meanwhile holds", 20*time.Second)
}

func TestSettingsActAtOnce(t *testing.T) {
	d := begin()
	for _, s := range []Settings{
		{Interval: 30 * time.Second, Ceiling: ceiling, Slow: slow}, {Interval: interval, Ceiling: ceiling, Slow: slow},
	} {
		d.Set(s)
		d.want(t, "no load", s.Interval)
	}
	d.pass(failing, time.Minute)
	d.Set(Settings{Interval: interval, Ceiling: 7 * time.Second, Slow: slow})
	d.want(t, "a lower ceiling", 7*time.Second)
	d.Set(Settings{Interval: 50 * time.Second, Ceiling: ceiling, Slow: slow})
	d.want(t, "above what was raised", 60*time.Second)
	d.pass(calm, 120*time.Second)
	d.want(t, "and calm", 50*time.Second)
}
