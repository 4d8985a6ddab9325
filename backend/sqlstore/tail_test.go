package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/backend"
)

// follow is a tail that has had its first look.
func follow(t *testing.T, s *Store) backend.Tail {
	t.Helper()
	tail := s.Tail()
	t.Cleanup(func() { _ = tail.Close() })
	if c := look(t, tail); !c.Unknown {
		t.Errorf("the first look is %v, want Unknown", c)
	}
	wantLook(t, tail, "nothing happened", "")
	return tail
}

func look(t testing.TB, tail backend.Tail) backend.Changes {
	t.Helper()
	c, err := tail.Look(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantLook wants users, by blank, or "unknown".
func wantLook(t testing.TB, tail backend.Tail, after, want string) {
	t.Helper()
	c := look(t, tail)
	got := strings.Join(c.Users, " ")
	if c.Unknown {
		got = "unknown"
	}
	if got != want {
		t.Errorf("after %s: %q, want %q", after, got, want)
	}
}

// ledger holds a tail to its promise: of each numbered commit, that is visible
// when a look begins, the user is named, or a look is Unknown.
type ledger struct {
	begun     atomic.Int64 // no number beyond is visible
	committed atomic.Int64 // all numbers up to here are visible
	named     map[string]bool
	accounted int64 // up to here, a look has been Unknown or everybody named
	unknown   int
}

func userOf(i int64) string { return fmt.Sprintf("user-%d", i) }

// look reports what the tail has lost.
func (l *ledger) look(t *testing.T, tail backend.Tail) {
	t.Helper()
	visible := l.committed.Load()
	c, err := tail.Look(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	if l.named == nil {
		l.named = map[string]bool{}
	}
	for _, user := range c.Users {
		l.named[user] = true
	}
	if c.Unknown {
		l.unknown++
		// What this look saw, no later one will name: also what its writer does not
		// know yet to be committed.
		l.accounted = max(l.accounted, l.begun.Load())
	}
	for i := l.accounted + 1; i <= visible; i++ {
		if !l.named[userOf(i)] {
			t.Errorf("commit %d was visible when the look began, and is lost", i)
		}
	}
	l.accounted = max(l.accounted, visible)
}

// watch looks until writing has ended, and once more.
func (l *ledger) watch(t *testing.T, tail backend.Tail, written <-chan struct{}) {
	t.Helper()
	for looks := 1; ; looks++ {
		select {
		case <-written:
			l.look(t, tail)
			t.Logf("%d looks, %d unknown, %d commits", looks, l.unknown, l.committed.Load())
			return
		default:
			l.look(t, tail)
		}
	}
}

func TestTooManyUsersAreUnknown(t *testing.T) {
	users := map[string]struct{}{}
	for i := range maxUsers {
		users[userOf(int64(i))] = struct{}{}
	}
	if c := changes(users, oneName); c.Unknown || len(c.Users) != maxUsers || !slices.IsSorted(c.Users) {
		t.Errorf("%d users: unknown %v", len(c.Users), c.Unknown)
	}
	users["one more"] = struct{}{}
	if c := changes(users, oneName); !c.Unknown || c.Users != nil {
		t.Errorf("%d users: unknown %v", len(c.Users), c.Unknown)
	}
}
