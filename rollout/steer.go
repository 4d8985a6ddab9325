package rollout

import (
	"math"

	"github.com/open-feature/go-sdk/openfeature"
)

// Heading is where a controller steers all users whom the flag file does not
// name. People write the file, a controller never does; a flag that is disabled
// there is steered by nobody. Without [Flags.Steer] the file's own weights are in force.
type Heading struct {
	Weight int    // how many of 100 users poll
	Stream Stream // what the legacy stream is
}

// Steer puts a heading in force in place of the file's own weights and defaults;
// nil takes it back. It does nothing where there is no flag file.
func (f *Flags) Steer(h *Heading) {
	if f.file == nil {
		return
	}
	if h == nil {
		f.file.choose(nil)
		return
	}
	f.file.choose(&map[string]choice{
		TransportFlag: {split: share100(string(Poll), string(SSE), h.Weight), reason: openfeature.SplitReason},
		StreamFlag:    {one: variant{string(h.Stream), string(h.Stream)}, reason: openfeature.TargetingMatchReason},
	})
}

// Unsteered is the heading that comes next to what the flag file itself says: no
// user goes back by it. Without a file it is zero.
func (f *Flags) Unsteered() Heading {
	if f.file == nil {
		return Heading{}
	}
	b := f.file.baseline()
	if b.Stream == "" {
		b.Stream = Upstream // some are on it; the others come along with the first setStream
	}
	return Heading{Weight: int(math.Ceil(b.Poll)), Stream: b.Stream}
}

// share100 splits users between two values, weight of 100 for the first.
func share100(first, second string, weight int) split {
	return split{
		{variant: variant{first, first}, end: uint64(weight)},
		{variant: variant{second, second}, end: 100},
	}
}

// Disabled names the flags that the file has switched off.
func (f *Flags) Disabled() []string {
	if f.file == nil {
		return nil
	}
	var keys []string
	for _, d := range definitions {
		if flag := f.file.flags()[d.key]; flag != nil && flag.disabled {
			keys = append(keys, d.key)
		}
	}
	return keys
}
