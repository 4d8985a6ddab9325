package latest

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/backend"
)

// notes is an Observer that writes down what it is told.
type notes struct {
	lookups []string
	audits  int
	found   []FalseEmpty
}

func (n *notes) Looked(layer string, r Result) { n.lookups = append(n.lookups, layer+" "+string(r)) }

func (n *notes) Audited(found *FalseEmpty) {
	n.audits++
	if found != nil {
		n.found = append(n.found, *found)
	}
}

func always(d time.Duration) func(time.Time) time.Duration {
	return func(time.Time) time.Duration { return d }
}

func TestLookupsAreObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &list{}, &notes{}
		r := NewReader(Options{Source: source, Local: NewMemory(100), Bound: always(bound), Observer: seen})
		source.add("a")
		poll(t, r, "0")               // absent
		place := poll(t, r, "").Place // no cursor, nothing to look up
		poll(t, r, place)             // hit
		poll(t, r, "0")               // differs
		time.Sleep(past)
		poll(t, r, place) // stale
		if diff := cmp.Diff([]string{"memory absent", "memory hit", "memory differs", "memory stale"}, seen.lookups); diff != "" {
			t.Error(diff)
		}
	})
}

// Two gateways share one cache; what one read spares the other a read, within
// the bound only.
func TestTheSharedLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, shared, seen := &list{}, NewMemory(100), &notes{}
		gateway := func() *Reader {
			return NewReader(Options{Source: source, Local: NewMemory(100), Shared: shared, Bound: always(bound), Observer: seen,
				Vouches: func(time.Time) bool { return true }})
		}
		one, other := gateway(), gateway()
		source.add("a")
		place := poll(t, one, "").Place
		for range 3 {
			poll(t, other, place)
		}
		if n := source.reads.Load(); n != 1 {
			t.Errorf("%d reads, want one for both gateways", n)
		}
		time.Sleep(past)
		poll(t, other, place)
		if n := source.reads.Load(); n != 2 {
			t.Errorf("%d reads: what another gateway read was vouched for", n)
		}
		poll(t, one, place)
		if want := "memory hit"; seen.lookups[len(seen.lookups)-1] != want {
			t.Errorf("what this gateway read is not vouched for: %v", seen.lookups)
		}
		other.Forget(t.Context(), "alice")
		poll(t, other, place)
		if n := source.reads.Load(); n != 3 {
			t.Errorf("%d reads: the shared entry outlived a change", n)
		}
	})
}

func TestAVouchedEntryOutlivesTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &list{}
		var vouched time.Time // for what was read from here on
		r := NewReader(Options{Source: source, Local: NewMemory(100), Bound: always(bound),
			Vouches: func(read time.Time) bool { return !vouched.IsZero() && !read.Before(vouched) }})
		place := poll(t, r, "").Place
		time.Sleep(time.Minute)
		vouched = time.Now()
		poll(t, r, place)
		if n := source.reads.Load(); n != 2 {
			t.Errorf("%d reads: an entry from before the feed was vouched for", n)
		}
		time.Sleep(time.Minute)
		poll(t, r, place)
		if n := source.reads.Load(); n != 2 {
			t.Errorf("%d reads: a vouched entry was read again", n)
		}
		r.Forget(t.Context(), "alice")
		poll(t, r, place)
		if n := source.reads.Load(); n != 3 {
			t.Errorf("%d reads: a forgotten user was vouched for", n)
		}
	})
}

// A change while a read is under way: polls after it must not share that read.
func TestAChangeEndsSharing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, r, _ := setup(time.Minute)
		source.hold = make(chan struct{})
		read := func() (backend.Page, error) {
			return r.Read(t.Context(), alice, backend.Query{After: "0", Limit: 50})
		}
		var group sync.WaitGroup
		group.Go(func() { read() })
		synctest.Wait()
		source.add("a")
		r.Forget(t.Context(), "alice")
		group.Go(func() {
			if p, err := read(); err != nil || len(p.Items) != 1 {
				t.Errorf("a poll after the change got a read from before it: %+v, %v", p, err)
			}
		})
		synctest.Wait()
		close(source.hold)
		group.Wait()
	})
}

func TestAuditsFindWhatIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, seen := &list{}, &notes{}
		r := NewReader(Options{Source: source, Local: NewMemory(100), Bound: always(bound), AuditRatio: 1, Observer: seen,
			Vouches: func(time.Time) bool { return true }}) // a feed that lies
		place := poll(t, r, "").Place
		poll(t, r, place)
		if seen.audits != 1 || len(seen.found) != 0 {
			t.Fatalf("%d audits, found %v: the cache is right", seen.audits, seen.found)
		}
		source.add("new")
		time.Sleep(time.Second)
		if p := poll(t, r, place); len(p.Items) != 1 || len(seen.found) != 0 {
			t.Errorf("%d items, found %v: an item may be new for that long", len(p.Items), seen.found)
		}
		place = poll(t, r, place).Place
		source.add("hidden")
		time.Sleep(bound + auditSlack + time.Second)
		p := poll(t, r, place)
		want := []FalseEmpty{{User: "alice", Layer: Local, Age: bound + auditSlack + time.Second, Vouched: true, Bound: bound, Item: "hidden", Hidden: bound + auditSlack + time.Second}}
		if diff := cmp.Diff(want, seen.found); diff != "" || len(p.Items) != 1 {
			t.Errorf("%d items; %s", len(p.Items), diff)
		}
		audits := seen.audits
		r.AuditRatio = 0
		if p := poll(t, r, place); len(p.Items) != 1 || seen.audits != audits {
			t.Errorf("the entry is not healed: %+v", p)
		}
	})
}
