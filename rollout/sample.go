package rollout

import "github.com/twmb/murmur3"

// Sampled tells whether a user is in a sample of a share of all users, 0..1. It is a
// pure function, a larger sample holds every smaller one, and it has nothing to do
// with the side on which a flag puts the user.
func Sampled(user string, share float64) bool {
	// What is hashed begins as no flag's name does.
	return float64(murmur3.StringSum32("\x00sample"+user)) < share*(1<<32)
}
