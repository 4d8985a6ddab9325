package rollout

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// vectors is what flagd says of users of many kinds; flagdtest, a module of its own,
// asks it and writes them.
type vectors struct {
	Splits  [][]int
	Vectors []struct {
		Flag, User string
		Bucket     int   // which of a thousand equal shares; -1: none, the flag's default
		Picks      []int // which share of each split
	}
}

// Each user is in the share of each split in which flagd has them, to the
// thousandth, so that a move there moves nobody.
func TestUsersAreWhereFlagdHasThem(t *testing.T) {
	text, err := os.ReadFile("testdata/flagd.json")
	if err != nil {
		t.Fatal(err)
	}
	var all vectors
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Vectors) < 300 || len(all.Splits) < 10 {
		t.Fatalf("%d vectors over %d splits", len(all.Vectors), len(all.Splits))
	}
	buckets := numbered(make([]int, 1000), 1)
	for _, v := range all.Vectors {
		if v.User == "" {
			if v.Bucket != -1 {
				t.Errorf("%s: flagd has who has no id in bucket %d", v.Flag, v.Bucket)
			}
			continue // a split is not asked ("an empty user" in rollout_test.go); flagd has them in none
		}
		if got := buckets.pick(v.Flag, v.User).name; got != fmt.Sprint(v.Bucket) {
			t.Errorf("%s of %q: bucket %s, flagd has %d", v.Flag, v.User, got, v.Bucket)
		}
		for i, want := range v.Picks {
			if got := numbered(all.Splits[i], 0).pick(v.Flag, v.User).name; got != fmt.Sprint(want) {
				t.Errorf("%s of %q in %d: share %s, flagd has %d", v.Flag, v.User, all.Splits[i], got, want)
			}
		}
	}
}

// numbered is a split whose variants are named by their numbers; each weight is
// raised by more.
func numbered(weights []int, more int) (s split) {
	var end uint64
	for i, w := range weights {
		end += uint64(w + more)
		s = append(s, share{variant: variant{name: fmt.Sprint(i)}, end: end})
	}
	return s
}
