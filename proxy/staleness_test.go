package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What counts as stale, and what had to wait for its client.
func TestStalenessOfPolls(t *testing.T) {
	const ceiling = 60 * time.Second // the default
	for name, c := range map[string]struct {
		age   time.Duration
		after string // the place; empty: behind the user's first item
		said  string // Sluice-Elapsed
		stale bool
	}{
		"created since the last success":            {age: 3 * time.Second, said: "5", stale: true},
		"hidden from the last success":              {age: 40 * time.Second, said: "5", stale: true},
		"the client was away, and not for long":     {age: 40 * time.Second, said: "60", stale: true},
		"the client was behind a closed laptop":     {age: 40 * time.Second, said: fmt.Sprint(2*ceiling.Seconds() + 1)},
		"the client does not say":                   {age: time.Second},
		"the client says nonsense":                  {age: time.Second, said: "soon"},
		"the next page of a backlog":                {age: 40 * time.Second, said: "0"},
		"a poll at once":                            {age: 0, said: "0", stale: true},
		"a place that could not be kept":            {age: 3 * time.Second, after: "nonsense", said: "5"},
		"the newest page, for who names no place":   {age: 3 * time.Second, after: "none", said: "5", stale: true},
		"a time to come, by a clock that goes fast": {age: -time.Minute, said: "5", stale: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.insert("alice", 2*time.Hour, "first")
			target := "/api/notifications?after_id=" + r.get("alice", "/api/notifications").page(t).Cursor
			switch c.after {
			case "none":
				target = "/api/notifications?limit=1"
			case "nonsense":
				target = "/api/notifications?limit=1&after_id=nonsense"
			}
			r.insert("alice", c.age, "second")
			before := r.catchUp(t)
			var headers []string
			if c.said != "" {
				headers = []string{"Sluice-Elapsed: " + c.said}
			}
			if p := r.get("alice", target, headers...).page(t); len(p.Notifications) != 1 || p.Notifications[0].ID != "second" {
				t.Fatalf("%+v", p)
			}
			stale, waited := r.counts(`delivery_staleness_seconds_count{transport="poll"} 1`), r.catchUp(t) != before
			if stale != c.stale || waited == c.stale {
				t.Errorf("stale: %v, catch-up: %v, want stale: %v", stale, waited, c.stale)
			}
		})
	}
}

func (r *rig) catchUp(t *testing.T) string {
	t.Helper()
	_, text, _ := strings.Cut(r.scrape(), "\nsluice_catchup_items_total ")
	value, _, _ := strings.Cut(text, "\n")
	return value
}

// An item that slid in behind the place brings its neighbours again: nobody waited
// for them.
func TestRepeatsAreNotStale(t *testing.T) {
	r := newRig(t)
	r.insert("alice", 20*time.Second, "shown")
	place := r.get("alice", "/api/notifications").page(t).Cursor
	r.insert("alice", 30*time.Second, "late")
	if p := r.get("alice", "/api/notifications?after_id="+place, "Sluice-Elapsed: 5").page(t); len(p.Notifications) != 2 {
		t.Fatalf("%+v", p)
	}
	if !r.counts(`delivery_staleness_seconds_count{transport="poll"} 0`) || !r.counts("catchup_items_total 3") {
		t.Error(r.changed())
	}
}

// How old the item is goes into the buckets that checks read.
func TestStalenessIsMeasured(t *testing.T) {
	r := newRig(t)
	r.insert("alice", time.Hour, "first")
	place := r.get("alice", "/api/notifications").page(t).Cursor
	r.insert("alice", 12*time.Second, "second")
	r.get("alice", "/api/notifications?after_id="+place, "Sluice-Elapsed: 5", "Sluice-Client: 1")
	for _, line := range []string{
		`delivery_staleness_seconds_bucket{transport="poll",le="10"} 0`, `delivery_staleness_seconds_bucket{transport="poll",le="15"} 1`,
		`poll_interval_observed_seconds_bucket{client="sluice",le="3"} 0`, `poll_interval_observed_seconds_bucket{client="sluice",le="5"} 1`,
	} {
		if !r.counts(line) {
			t.Errorf("not %s", line)
		}
	}
}
