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
// who was used since it was last in question is passed over once (the CLOCK algorithm's
// second chance, Corbató 1968), and in question is who is met from a random place on. So
// reading an entry touches no other, as it would in a list in the order of use: with a
// million users nothing of them is in the processor's caches, and to touch something is
// what a read costs. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	seed  maphash.Seed
	parts []part[K, V]
}

type part[K comparable, V any] struct {
	mu      sync.Mutex
	most    int
	entries map[K]entry[V]
}

type entry[V any] struct {
	value V
	used  bool // since it was made, or last in question
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
		m.parts[i].entries = map[K]entry[V]{}
	}
	return m
}

// of returns the part of a key, locked.
func (m *Map[K, V]) of(key K) *part[K, V] {
	p := &m.parts[0]
	if len(m.parts) > 1 {
		p = &m.parts[maphash.Comparable(m.seed, key)%parts]
	}
	p.mu.Lock()
	return p
}

// Get returns an entry's value.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	p := m.of(key)
	defer p.mu.Unlock()
	e, ok := p.entries[key]
	if ok && !e.used {
		e.used = true
		p.entries[key] = e
	}
	return e.value, ok
}

// Put adds an entry, or gives it another value.
func (m *Map[K, V]) Put(key K, value V) {
	m.Change(key, func(V, bool) V { return value })
}

// Change lets f change an entry's value while nobody else can, and is told whether there
// was one; if not, f is given the zero value. f must not use the map.
func (m *Map[K, V]) Change(key K, f func(value V, known bool) V) {
	p := m.of(key)
	defer p.mu.Unlock()
	e, ok := p.entries[key]
	if !ok && len(p.entries) >= p.most {
		p.evict()
	}
	p.entries[key] = entry[V]{f(e.value, ok), ok} // who came once only goes first
}

// ChangeKnown is Change for an entry that there is; if there is none, nothing happens. It
// is no use of the entry.
func (m *Map[K, V]) ChangeKnown(key K, f func(value V) V) {
	p := m.of(key)
	defer p.mu.Unlock()
	if e, ok := p.entries[key]; ok {
		e.value = f(e.value)
		p.entries[key] = e
	}
}

// evict makes room for one. A range over a map begins at a random place.
func (p *part[K, V]) evict() {
	for range 2 {
		for key, e := range p.entries {
			if !e.used {
				delete(p.entries, key)
				return
			}
			e.used = false
			p.entries[key] = e
		}
	}
}

// Remove drops an entry, if there is one.
func (m *Map[K, V]) Remove(key K) {
	p := m.of(key)
	defer p.mu.Unlock()
	delete(p.entries, key)
}

// Len is the number of entries.
func (m *Map[K, V]) Len() (n int) {
	for i := range m.parts {
		p := &m.parts[i]
		p.mu.Lock()
		n += len(p.entries)
		p.mu.Unlock()
	}
	return n
}
