package bounded

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is done to it, it holds what a plain map would; but one that is full has one
// entry less for each that is new.
func TestMapAgainstAPlainOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		m, plain := New[int, int](most), map[int]int{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := rapid.IntRange(0, 12).Draw(t, "key")
			full := len(plain) == most
			want, known := plain[key]
			may := 0 // go
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if got, ok := m.Get(key); ok != known || got != want {
					t.Fatalf("%d is %d %v, want %d %v", key, got, ok, want, known)
				}
			case 1:
				m.Remove(key)
				delete(plain, key)
			default:
				m.Change(key, func(v int, before bool) int {
					if before != known || v != want {
						t.Fatalf("%d changes from %d %v, want %d %v", key, v, before, want, known)
					}
					return v + 7
				})
				plain[key] = want + 7
				if full && !known {
					may = 1
				}
			}
			for k := range plain {
				if _, ok := m.parts[0].find(k, uint32(maphash.Comparable(m.seed, k))); !ok {
					delete(plain, k)
					may--
				}
			}
			if may != 0 || m.Len() != len(plain) || m.Len() > most {
				t.Fatalf("%d too many are gone; %d entries, want %d of at most %d", -may, m.Len(), len(plain), most)
			}
		}
	})
}

// While there is room, nobody has to go.
func TestNobodyGoesBeforeItIsFull(t *testing.T) {
	m := New[int, int](100)
	for round := range 3 {
		for i := range 100 {
			m.Put(i, i+round)
		}
		for i := range 100 {
			if v, ok := m.Get(i); !ok || v != i+round {
				t.Fatalf("%d is %d %v", i, v, ok)
			}
		}
		for i := 50; i < 100; i++ {
			m.Remove(i)
		}
		if m.Len() != 50 {
			t.Fatalf("%d entries", m.Len())
		}
	}
}

// Who is used stays, however many come once.
func TestWhoIsUsedStays(t *testing.T) {
	m, gone := New[string, int](1024), 0
	for i := range 20_000 {
		m.Put("once-"+strconv.Itoa(i), i)
		regular := "regular-" + strconv.Itoa(i%32)
		if _, ok := m.Get(regular); !ok {
			gone++
			m.Put(regular, i)
		}
	}
	if gone > 32+10 { // of 20,000; were it not heeded, hundreds
		t.Errorf("%d times a regular was gone", gone-32)
	}
}

// Who came once goes before anybody who was used since.
func TestWhoCameOnceGoesFirst(t *testing.T) {
	for range 20 {
		m := New[int, int](8)
		for i := range 8 {
			m.Put(i, i)
		}
		for i := range 7 {
			m.Get(i)
		}
		m.Put(8, 8)
		if _, ok := m.Get(7); ok || m.Len() != 8 {
			t.Fatalf("it stays; %d entries", m.Len())
		}
	}
}

// Two keys whose hashes are the same have an entry each.
func TestEqualHashes(t *testing.T) {
	m, seen := New[int, int](8), map[uint32]int{}
	a, b := 0, 0
	for b = 0; ; b++ {
		hash := uint32(maphash.Comparable(m.seed, b))
		var ok bool
		if a, ok = seen[hash]; ok {
			break
		}
		seen[hash] = b
	}
	m.Put(a, 1)
	if v, ok := m.Get(b); ok {
		t.Errorf("%d has the entry of %d: %d", b, a, v)
	}
	m.Put(b, 2)
	m.Remove(a)
	if v, ok := m.Get(b); !ok || v != 2 {
		t.Errorf("%d is %d %v", b, v, ok)
	}
	if v, ok := m.Get(a); ok {
		t.Errorf("%d is still %d", a, v)
	}
}

// A large one holds nearly as many as it may, and no more.
func TestALargeOne(t *testing.T) {
	const most = 1 << 16
	m := New[int, int](most)
	for i := range 2 * most {
		m.Put(i, i)
	}
	if n := m.Len(); n > most || n < most*95/100 {
		t.Errorf("%d entries", n)
	}
}

func TestMapIsSafe(t *testing.T) {
	m := New[int, int](small)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 1000 {
				m.Change(i%10, func(v int, _ bool) int { return v + 1 })
				m.Get(i)
				m.Remove(i + 10)
			}
		})
	}
	group.Wait()
	sum := 0
	for i := range 10 {
		v, _ := m.Get(i)
		sum += v
	}
	if sum != 8000 {
		t.Errorf("%d changes, want 8,000", sum)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, keys := New[string, int64](1<<20), make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
			}
			for i := range keys {
				m.Put(keys[i], int64(i))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := m.Get(keys[i*7919%n]); !ok && n == 1000 {
					b.Fatal("gone")
				}
			}
		})
	}
}
