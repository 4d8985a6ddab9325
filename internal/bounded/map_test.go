package bounded

import (
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"sluice/internal/bounded/boundedtest"
)

// Whatever is done to it, it holds what a plain map would; but one that is full has one
// entry less for each that is new.
func TestMapAgainstAPlainOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "most")
		m, plain := New[int](most), map[string]int{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := strconv.Itoa(rapid.IntRange(0, 12).Draw(t, "key"))
			full := len(plain) == most
			want, known := plain[key]
			may := 0 // go
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if got, ok := m.Get(key); ok != known || got != want {
					t.Fatalf("%s is %d %v, want %d %v", key, got, ok, want, known)
				}
			case 1:
				m.Remove(key)
				delete(plain, key)
			default:
				m.Change(key, func(v int, before bool) int {
					if before != known || v != want {
						t.Fatalf("%s changes from %d %v, want %d %v", key, v, before, want, known)
					}
					return v + 7
				})
				plain[key] = want + 7
				if full && !known {
					may = 1
				}
			}
			for k := range plain {
				if _, ok := m.parts[0].find(m.hash(k)); !ok {
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
	m := New[int](100)
	for round := range 3 {
		for i := range 100 {
			m.Put(strconv.Itoa(i), i+round)
		}
		for i := range 100 {
			if v, ok := m.Get(strconv.Itoa(i)); !ok || v != i+round {
				t.Fatalf("%d is %d %v", i, v, ok)
			}
		}
		for i := 50; i < 100; i++ {
			m.Remove(strconv.Itoa(i))
		}
		if m.Len() != 50 {
			t.Fatalf("%d entries", m.Len())
		}
	}
}

// Who is used stays, however many come once.
func TestWhoIsUsedStays(t *testing.T) {
	m, gone := New[int](1024), 0
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
		m := New[int](8)
		for i := range 8 {
			m.Put(strconv.Itoa(i), i)
		}
		for i := range 7 {
			m.Get(strconv.Itoa(i))
		}
		m.Put("8", 8)
		if _, ok := m.Get("7"); ok || m.Len() != 8 {
			t.Fatalf("it stays; %d entries", m.Len())
		}
	}
}

// Two keys whose searches begin at the same place have an entry each, whichever goes first.
func TestEqualBeginnings(t *testing.T) {
	for range 50 {
		m := New[int](8)
		at := func(i int) uint64 { return m.hash(strconv.Itoa(i))[0] % 4 } // so many slots there are at first
		a, b := 0, 1
		for at(b) != at(a) {
			b++
		}
		first, second := strconv.Itoa(a), strconv.Itoa(b)
		m.Put(first, 1)
		if v, ok := m.Get(second); ok {
			t.Errorf("%s has the entry of %s: %d", second, first, v)
		}
		m.Put(second, 2)
		m.Remove(first)
		if v, ok := m.Get(second); !ok || v != 2 {
			t.Errorf("%s is %d %v", second, v, ok)
		}
		if v, ok := m.Get(first); ok {
			t.Errorf("%s is still %d", first, v)
		}
	}
}

// Both words of a hash tell keys apart.
func TestWholeHashCounts(t *testing.T) {
	p := part[int]{most: 8}
	for i, h := range []hash{{1, 1}, {1, 2}, {2, 1}, {1 + 1<<32, 1}, {1, 1 + 1<<32}} {
		if _, ok := p.find(h); ok {
			t.Errorf("%v is taken for another", h)
		}
		p.makeRoom()
		*p.free(h) = slot[int]{hash: h, taken: true, value: i}
		p.count++
	}
}

// Each map has a secret of its own: what collides in one does not in another.
func TestSecrets(t *testing.T) {
	a, b := New[int](8), New[int](8)
	alice := a.hash("alice")
	if alice == b.hash("alice") || alice != a.hash("alice") || alice == a.hash("bob") || a.hash("") == a.hash("\x00") {
		t.Error("a key's hash is not the map's and the key's own")
	}
}

// Entries of a million users are not looked at by the garbage collector.
func TestEntriesAreFreeOfPointers(t *testing.T) {
	boundedtest.NoPointers[slot[int64]](t)
	if !boundedtest.HasPointers(reflect.TypeFor[slot[string]]()) {
		t.Error("a string has none")
	}
}

// A large one holds nearly as many as it may, and no more.
func TestALargeOne(t *testing.T) {
	const most = 1 << 16
	m := New[int](most)
	for i := range 2 * most {
		m.Put(strconv.Itoa(i), i)
	}
	if n := m.Len(); n > most || n < most*95/100 {
		t.Errorf("%d entries", n)
	}
}

func TestMapIsSafe(t *testing.T) {
	m := New[int](small)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 1000 {
				m.Change(strconv.Itoa(i%10), func(v int, _ bool) int { return v + 1 })
				m.Get(strconv.Itoa(i))
				m.Remove(strconv.Itoa(i + 10))
			}
		})
	}
	group.Wait()
	sum := 0
	for i := range 10 {
		v, _ := m.Get(strconv.Itoa(i))
		sum += v
	}
	if sum != 8000 {
		t.Errorf("%d changes, want 8,000", sum)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, keys := New[int64](1<<20), make([]string, n)
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
