package sqlstore

import (
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"sluice/backend"
)

const (
	// window is how far back a tail looks at created_at.
	window = 30 * time.Second
	// maxWindow is how many rows of it a tail is ready to look at; a PostgreSQL
	// app at 2,000 a second has 60,000. Beyond, the tail cannot say.
	maxWindow = 200_000
	// maxUsers is how many users a look names; beyond, everything may have changed.
	maxUsers = 10_000
	// lookTimeout ends a look at a database that hangs.
	lookTimeout = 5 * time.Second
)

// sightings are the rows of a moving window, by a hash of created_at, id and
// user. The hash has a random seed, so that nobody can make two rows collide.
type sightings struct {
	seed       maphash.Seed
	seen, next map[uint64]struct{}
}

func newSightings() *sightings {
	return &sightings{maphash.MakeSeed(), map[uint64]struct{}{}, map[uint64]struct{}{}}
}

// add notes a row of the look under way, and reports whether the look before did
// not have it.
func (s *sightings) add(created, id, user []byte) bool {
	sum := hashParts(s.seed, created, id, user)
	s.next[sum] = struct{}{}
	_, seen := s.seen[sum]
	return !seen
}

func hashParts(seed maphash.Seed, parts ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range parts {
		_, _ = h.Write(part)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// commit ends a look that succeeded: the next is compared with it.
func (s *sightings) commit() {
	s.seen, s.next = s.next, s.seen
	clear(s.next)
}

// abandon ends a look that failed: the next is compared with what this one was.
func (s *sightings) abandon() { clear(s.next) }

// changes names users, or says that they are too many.
func changes(users map[string]struct{}, names func(string) []string) backend.Changes {
	if len(users) > maxUsers {
		return backend.Changes{Unknown: true}
	}
	var c backend.Changes
	for _, user := range slices.Sorted(maps.Keys(users)) {
		c.Users = append(c.Users, names(user)...)
	}
	return c
}
