package rollout

import (
	"testing"

	"pgregory.net/rapid"
)

// shares makes a split whose variants are named like their values.
func shares(names []string, weights ...int) split {
	var s split
	var end uint64
	for i, w := range weights {
		end += uint64(w)
		s = append(s, share{variant: variant{names[i], names[i]}, end: end})
	}
	return s
}

// What flagd's own tests expect of a user, so that a move there moves nobody
// (open-feature/flagd, core/pkg/evaluator/fractional_test.go).
func TestPickIsFlagds(t *testing.T) {
	colours := shares([]string{"red", "blue", "green", "yellow"}, 25, 25, 25, 25)
	for _, tc := range []struct{ key, user, want string }{
		{"headerColor", "rachel@faas.com", "blue"},
		{"headerColor", "monica@faas.com", "yellow"},
		{"headerColor", "joey@faas.com", "red"},
		{"headerColor", "ross@faas.com", "blue"},
		{"my-seed", "rachel@faas.com", "green"},
		{"my-seed", "monica@faas.com", "red"},
		{"my-seed", "joey@faas.com", "blue"},
		{"my-seed", "ross@faas.com", "green"},
		{"", "ross@faas.com", "red"},
	} {
		if got := colours.pick(tc.key, tc.user).value; got != tc.want {
			t.Errorf("pick(%q, %q) = %s, want %s", tc.key, tc.user, got, tc.want)
		}
	}
}

func TestPickKeepsUsersWhenTheShareGrows(t *testing.T) {
	sides := []string{"poll", "sse"}
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.String().Draw(t, "user")
		weight := rapid.IntRange(0, maxTotal/2)
		before := shares(sides, weight.Draw(t, "poll before"), weight.Filter(positive).Draw(t, "sse before"))
		after := shares(sides, weight.Draw(t, "poll after"), weight.Filter(positive).Draw(t, "sse after"))
		if part(before) > part(after) {
			before, after = after, before
		}
		if before.pick(TransportFlag, user).value == "poll" && after.pick(TransportFlag, user).value != "poll" {
			t.Fatalf("%q left poll when its part grew from %g to %g", user, part(before), part(after))
		}
	})
}

func positive(n int) bool { return n > 0 }

func part(s split) float64 { return float64(s[0].end) / float64(s[len(s)-1].end) }

func TestPickEdges(t *testing.T) {
	sides := []string{"poll", "sse"}
	for _, tc := range []struct {
		name string
		s    split
		want string
	}{
		{"nobody", shares(sides, 0, 100), "sse"},
		{"everybody", shares(sides, 100, 0), "poll"},
		{"the largest total", shares(sides, maxTotal, 0), "poll"},
		{"the smallest total", shares(sides, 0, 1), "sse"},
		{"one variant", shares(sides, 7), "poll"},
	} {
		rapid.Check(t, func(t *rapid.T) {
			user := rapid.String().Draw(t, "user")
			if got := tc.s.pick(TransportFlag, user).value; got != tc.want {
				t.Fatalf("%s: %q is on %s, want %s", tc.name, user, got, tc.want)
			}
		})
	}
}

func TestPickDividesByWeight(t *testing.T) {
	s := shares([]string{"poll", "sse"}, 10, 90)
	const users = 20_000
	poll := 0
	for i := range users {
		if s.pick(TransportFlag, userName(i)).value == "poll" {
			poll++
		}
	}
	// Six standard deviations of a fair 10 % draw.
	if poll < 1745 || poll > 2255 {
		t.Errorf("%d of %d users poll, want about 10 %%", poll, users)
	}
}
