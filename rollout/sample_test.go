package rollout

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSampledGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.String().Draw(t, "user")
		less, more := rapid.Float64Range(0, 1).Draw(t, "less"), rapid.Float64Range(0, 1).Draw(t, "more")
		if less > more {
			less, more = more, less
		}
		if Sampled(user, less) && !Sampled(user, more) || Sampled(user, 0) || !Sampled(user, 1) {
			t.Fatalf("%q: %t of %g, %t of %g, %t of 0, %t of 1", user, Sampled(user, less), less, Sampled(user, more), more, Sampled(user, 0), Sampled(user, 1))
		}
	})
}

// Who polls is sampled as often as who does not: the sample says something of both.
func TestSampleIsIndependentOfTheFlags(t *testing.T) {
	sides := shares([]string{"poll", "sse"}, 50, 50)
	const users = 40_000
	for _, flag := range []string{TransportFlag, StreamFlag, ""} {
		sampled := map[string]int{}
		for i := range users {
			if Sampled(userName(i), 0.1) {
				sampled[sides.pick(flag, userName(i)).value]++
			}
		}
		// A twentieth of all users each, within six standard deviations.
		for _, side := range []string{"poll", "sse"} {
			if n := sampled[side]; n < 1740 || n > 2260 {
				t.Errorf("%q: %d of %d users are on %s and in the sample, want about 2000", flag, n, users, side)
			}
		}
	}
}
