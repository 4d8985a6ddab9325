package rollout

import (
	"math"

	"github.com/twmb/murmur3"
)

// maxTotal bounds the sum of a split's weights. Like the hash, its seed (0) and
// the bucket below it is flagd's, so that users keep their side on a move there
// (open-feature/flagd, core/pkg/evaluator/fractional.go).
const maxTotal = math.MaxInt32

// share is one variant of a split. It owns the buckets from the end of the share
// before it up to its own end.
type share struct {
	variant
	end uint64
}

// split divides all users by weight. Its last end is the total of the weights,
// which is at least 1.
type split []share

// pick finds the share of a user of the flag named key.
//
// Scaling the hash, rather than taking a remainder, is what keeps users in
// place: the first share holds a user exactly when hash/2³² < weight/total, so
// it only gains users when that fraction grows.
func (s split) pick(key, user string) variant {
	total := s[len(s)-1].end
	bucket := uint64(murmur3.StringSum32(key+user)) * total >> 32
	i := 0
	for bucket >= s[i].end {
		i++
	}
	return s[i].variant
}
