package backend

// Latest is what one read showed of a user: where its reader stood after the
// last item. While it holds, whoever stands at the same place has nothing to
// read.
type Latest struct {
	Key
	Sum     uint64 // as in Cursor
	Covered bool   // the read saw the whole look-back, so Sum can be compared
	Aged    bool   // the item was older than BareLookBack, by the source's clock
}

// Proves tells whether an empty answer to after_id is right, as far as this
// read could see. Positions are compared for equality, never by order: ids are
// random, so a place that sorts later proves nothing.
func (l Latest) Proves(user, after string) bool {
	if c, ok := Open(after, user); ok {
		return c.Key == l.Key && (c.Settled || l.Covered && c.Sum == l.Sum)
	}
	return l.ID != "" && after == l.ID && l.Aged
}
