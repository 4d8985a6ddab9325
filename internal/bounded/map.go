// Package bounded has a map of limited size that is cheap to read when it is large.
package bounded

import (
	"hash/maphash"
	"sync"
)

// parts is how many locks a large Map has; entries are spread over them by their keys'
// hashes. A small one is one part, so that it holds exactly what it is asked to.
const (
	parts = 64
	small = 1 << 14 // entries
)

// Map keeps entries up to a number. Of more it keeps those that were used of late, nearly:
// a hand goes round, takes the first that was not used since it last came by, and passes
// over the others (the CLOCK algorithm, Corbató 1968). It is safe for concurrent use.
//
// With a million users nothing of them is in the processor's caches, and to touch memory is
// what a read costs. So entries lie open in an array, where a key's hash says (linear
// probing, Knuth vol. 3, section 6.4): a read touches one place. Go's own map touches three,
// and a list in the order of use two more of other entries.
type Map[K comparable, V any] struct {
	seed  maphash.Seed
	parts []part[K, V]
}

type part[K comparable, V any] struct {
	mu    sync.Mutex
	most  int
	count int
	hand  uint32
	slots []slot[K, V] // as many as a power of two
}

type slot[K comparable, V any] struct {
	hash  uint32
	taken bool
	used  bool // since it was taken, or the hand last came by
	key   K
	value V
}

// New makes a map for most entries; if it is large, for up to a few percent less,
// since hashes do not spread them evenly.
func New[K comparable, V any](most int) *Map[K, V] {
	n := 1
	if most >= small {
		n = parts
	}
	m := &Map[K, V]{seed: maphash.MakeSeed(), parts: make([]part[K, V], n)}
	for i := range m.parts {
		m.parts[i].most = max(1, most/n)
	}
	return m
}

// of returns the part of a key, locked, and the key's hash in it.
func (m *Map[K, V]) of(key K) (*part[K, V], uint32) {
	hash := maphash.Comparable(m.seed, key)
	p := &m.parts[hash>>32%uint64(len(m.parts))]
	p.mu.Lock()
	return p, uint32(hash)
}

// Get returns an entry's value.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	p, hash := m.of(key)
	defer p.mu.Unlock()
	i, ok := p.find(key, hash)
	if !ok {
		return value, false
	}
	s := p.at(i)
	if !s.used { // what is not written stays shared between processors
		s.used = true
	}
	return s.value, true
}

// Put adds an entry, or gives it another value.
func (m *Map[K, V]) Put(key K, value V) {
	m.Change(key, func(V, bool) V { return value })
}

// Change lets f change an entry's value while nobody else can, and is told whether there
// was one; if not, f is given the zero value. f must not use the map.
func (m *Map[K, V]) Change(key K, f func(value V, known bool) V) {
	p, hash := m.of(key)
	defer p.mu.Unlock()
	if i, ok := p.find(key, hash); ok {
		s := p.at(i)
		s.value, s.used = f(s.value, true), true
		return
	}
	var none V
	value := f(none, false)
	p.makeRoom()
	*p.free(hash) = slot[K, V]{hash, true, false, key, value} // who came once only goes first
	p.count++
}

// ChangeKnown is Change for an entry that there is; if there is none, nothing happens. It
// is no use of the entry.
func (m *Map[K, V]) ChangeKnown(key K, f func(value V) V) {
	p, hash := m.of(key)
	defer p.mu.Unlock()
	if i, ok := p.find(key, hash); ok {
		s := p.at(i)
		s.value = f(s.value)
	}
}

// Remove drops an entry, if there is one.
func (m *Map[K, V]) Remove(key K) {
	p, hash := m.of(key)
	defer p.mu.Unlock()
	if i, ok := p.find(key, hash); ok {
		p.remove(i)
	}
}

// Len is the number of entries.
func (m *Map[K, V]) Len() (n int) {
	for i := range m.parts {
		p := &m.parts[i]
		p.mu.Lock()
		n += p.count
		p.mu.Unlock()
	}
	return n
}

// at is a slot by its number, which goes round.
func (p *part[K, V]) at(i uint32) *slot[K, V] { return &p.slots[i&uint32(len(p.slots)-1)] }

// find tells which slot has a key, if one has.
func (p *part[K, V]) find(key K, hash uint32) (i uint32, ok bool) {
	for i = hash; p.count > 0; i++ {
		s := p.at(i)
		if !s.taken {
			return i, false
		}
		if s.hash == hash && s.key == key {
			return i, true
		}
	}
	return i, false
}

// free returns the slot for a key that is new.
func (p *part[K, V]) free(hash uint32) *slot[K, V] {
	for i := hash; ; i++ {
		if s := p.at(i); !s.taken {
			return s
		}
	}
}

// makeRoom sees to it that there is a free slot for one more entry, and more of them to
// end a search at: a quarter at least.
func (p *part[K, V]) makeRoom() {
	if p.count >= p.most {
		p.evict()
	}
	if p.count < len(p.slots)*3/4 {
		return
	}
	old := p.slots
	p.slots = make([]slot[K, V], max(4, 2*len(old)))
	for _, s := range old {
		if s.taken {
			*p.free(s.hash) = s
		}
	}
}

// evict drops the first entry that the hand finds unused.
func (p *part[K, V]) evict() {
	for ; ; p.hand++ {
		switch s := p.at(p.hand); {
		case s.taken && !s.used:
			p.remove(p.hand)
			return
		case s.used:
			s.used = false
		}
	}
}

// remove empties a slot, and moves those after it back that a search would no longer find
// (Knuth, algorithm 6.4R).
func (p *part[K, V]) remove(i uint32) {
	mask := uint32(len(p.slots) - 1)
	for next := i + 1; ; next++ {
		s := p.at(next)
		if !s.taken {
			break
		}
		if (next-s.hash)&mask >= (next-i)&mask { // it began to search at i or before
			*p.at(i) = *s
			i = next
		}
	}
	*p.at(i) = slot[K, V]{}
	p.count--
}
