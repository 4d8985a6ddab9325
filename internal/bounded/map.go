// Package bounded has a map of limited size that is cheap to read when it is large.
package bounded

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"unsafe"

	"github.com/dchest/siphash"
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
//
// What touches all of them is the garbage collector, unless there are no pointers in them.
// So of a key only a hash is kept: SipHash-2-4 of 128 bits (Aumasson and Bernstein 2012) under
// a secret of this Map's own, of which no two keys have the same, whoever chooses them. A V
// without pointers makes entries free of them.
type Map[V any] struct {
	secret hash
	parts  []part[V]
}

type part[V any] struct {
	mu    sync.Mutex
	most  int
	count int
	hand  uint64
	slots []slot[V] // as many as a power of two
}

type slot[V any] struct {
	hash  hash
	taken bool
	used  bool // since it was taken, or the hand last came by
	value V
}

// hash is a key's. Its first word says where a search begins, its second in which part.
type hash [2]uint64

// New makes a map for most entries; if it is large, for up to a few percent less,
// since hashes do not spread them evenly.
func New[V any](most int) *Map[V] {
	n := 1
	if most >= small {
		n = parts
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails
	m := &Map[V]{secret: hash{binary.NativeEndian.Uint64(secret[:]), binary.NativeEndian.Uint64(secret[8:])}, parts: make([]part[V], n)}
	for i := range m.parts {
		m.parts[i].most = max(1, most/n)
	}
	return m
}

func (m *Map[V]) hash(key string) (h hash) {
	text := unsafe.Slice(unsafe.StringData(key), len(key)) //nolint:gosec // it is only read; a copy would be garbage at each poll
	h[0], h[1] = siphash.Hash128(m.secret[0], m.secret[1], text)
	return h
}

// of returns the part of a key, locked, and the key's hash.
func (m *Map[V]) of(key string) (*part[V], hash) {
	h := m.hash(key)
	p := &m.parts[h[1]%uint64(len(m.parts))]
	p.mu.Lock()
	return p, h
}

// Get returns an entry's value.
func (m *Map[V]) Get(key string) (value V, ok bool) {
	p, h := m.of(key)
	defer p.mu.Unlock()
	i, ok := p.find(h)
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
func (m *Map[V]) Put(key string, value V) {
	m.Change(key, func(V, bool) V { return value })
}

// Change lets f change an entry's value while nobody else can, and is told whether there
// was one; if not, f is given the zero value. f must not use the map.
func (m *Map[V]) Change(key string, f func(value V, known bool) V) {
	p, h := m.of(key)
	defer p.mu.Unlock()
	if i, ok := p.find(h); ok {
		s := p.at(i)
		s.value, s.used = f(s.value, true), true
		return
	}
	var none V
	value := f(none, false)
	p.makeRoom()
	*p.free(h) = slot[V]{h, true, false, value} // who came once only goes first
	p.count++
}

// ChangeKnown is Change for an entry that there is; if there is none, nothing happens. It
// is no use of the entry.
func (m *Map[V]) ChangeKnown(key string, f func(value V) V) {
	p, h := m.of(key)
	defer p.mu.Unlock()
	if i, ok := p.find(h); ok {
		s := p.at(i)
		s.value = f(s.value)
	}
}

// Remove drops an entry, if there is one.
func (m *Map[V]) Remove(key string) {
	p, h := m.of(key)
	defer p.mu.Unlock()
	if i, ok := p.find(h); ok {
		p.remove(i)
	}
}

// Len is the number of entries.
func (m *Map[V]) Len() (n int) {
	for i := range m.parts {
		p := &m.parts[i]
		p.mu.Lock()
		n += p.count
		p.mu.Unlock()
	}
	return n
}

// at is a slot by its number, which goes round.
func (p *part[V]) at(i uint64) *slot[V] { return &p.slots[i&uint64(len(p.slots)-1)] }

// find tells which slot has a key, if one has.
func (p *part[V]) find(h hash) (i uint64, ok bool) {
	for i = h[0]; p.count > 0; i++ {
		s := p.at(i)
		if !s.taken {
			return i, false
		}
		if s.hash == h {
			return i, true
		}
	}
	return i, false
}

// free returns the slot for a key that is new.
func (p *part[V]) free(h hash) *slot[V] {
	for i := h[0]; ; i++ {
		if s := p.at(i); !s.taken {
			return s
		}
	}
}

// makeRoom sees to it that there is a free slot for one more entry, and more of them to
// end a search at: a quarter at least.
func (p *part[V]) makeRoom() {
	if p.count >= p.most {
		p.evict()
	}
	if p.count < len(p.slots)*3/4 {
		return
	}
	old := p.slots
	p.slots = make([]slot[V], max(4, 2*len(old)))
	for _, s := range old {
		if s.taken {
			*p.free(s.hash) = s
		}
	}
}

// evict drops the first entry that the hand finds unused.
func (p *part[V]) evict() {
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
func (p *part[V]) remove(i uint64) {
	mask := uint64(len(p.slots) - 1)
	for next := i + 1; ; next++ {
		s := p.at(next)
		if !s.taken {
			break
		}
		if (next-s.hash[0])&mask >= (next-i)&mask { // it began to search at i or before
			*p.at(i) = *s
			i = next
		}
	}
	*p.at(i) = slot[V]{}
	p.count--
}
