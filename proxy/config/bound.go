package config

import (
	"fmt"
	"time"
)

// Bound is a staleness bound as configured: [Auto], or a duration from 0 to 10 minutes.
type Bound time.Duration

// Auto leaves the bound to [Config.StalenessBound].
const Auto Bound = -1

// maxBound is what any source vouches for at most (SQLite's change counter).
const maxBound = 10 * time.Minute

// UnmarshalText accepts "auto" and durations from 0 to 10m.
func (b *Bound) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*b = Auto
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither auto nor a duration such as 2s", text)
	}
	if d < 0 || d > maxBound {
		return fmt.Errorf("%q is outside 0 to %s", text, maxBound)
	}
	*b = Bound(d)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String gives "auto" or the duration.
func (b Bound) String() string {
	if b == Auto {
		return "auto"
	}
	return time.Duration(b).String()
}
