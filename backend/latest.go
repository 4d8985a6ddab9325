package backend

import "github.com/cespare/xxhash/v2"

// Latest is what one read showed of a user: where its reader stood after the
// last item. While it holds, whoever stands at the same place has nothing to
// read. It has one size for all ids, since a cache holds one for every user.
type Latest struct {
	At      int64  // created_at of the last item, as in Key
	ID      uint64 // hash of its id; 0 before the first item
	Sum     uint64 // as in Cursor
	Covered bool   // the read saw the whole look-back, so Sum can be compared
	Aged    bool   // the item was older than BareLookBack, by the source's clock
}

// Stand is where a reader says it stands: what it sent as after_id.
type Stand struct {
	cursor Cursor
	sealed bool
	id     uint64
}

// NewStand reads after_id, once for all comparisons.
func NewStand(user, after string) Stand {
	c, sealed := Open(after, user)
	if sealed {
		return Stand{cursor: c, sealed: true, id: hashID(c.ID)}
	}
	return Stand{id: hashID(after)}
}

// Proves tells whether an empty answer to a reader is right, as far as this
// read could see. Places are compared for equality, never by order: ids are
// random, so a place that sorts later proves nothing.
func (l Latest) Proves(s Stand) bool {
	if l.ID != s.id {
		return false
	}
	if !s.sealed {
		return l.ID != 0 && l.Aged
	}
	return l.At == s.cursor.At && (s.cursor.Settled || l.Covered && l.Sum == s.cursor.Sum)
}

func hashID(id string) uint64 {
	if id == "" {
		return 0
	}
	return xxhash.Sum64String(id)
}
