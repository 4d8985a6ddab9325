package latest

import (
	"testing"
	"time"
)

// What Redis has may be damaged, or another user's. What is believed of it says of its
// own user what was stored.
func FuzzDecode(f *testing.F) {
	stored := encode(Ticket{1, 2_000_000}, "alice", shown)
	f.Add(string(stored), "alice")
	f.Add(string(stored), "bob")
	f.Add(string(stored[:nonceLength]), "alice")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, value, user string) {
		at, l, ok := decode(value, user)
		if !ok {
			return
		}
		again := encode(Ticket{0, at}, user, l)
		const flags = nonceLength + 6
		for i := nonceLength; i < valueLength; i++ {
			if i != flags && again[i] != value[i] {
				t.Fatalf("byte %d of what was read is not what was stored", i)
			}
		}
		if at < 0 || at%time.Millisecond.Microseconds() != 0 {
			t.Fatalf("stored at %d", at)
		}
	})
}
