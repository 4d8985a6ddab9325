// Package sourcetest holds what every backend.Source must do, whatever it reads
// from; each source's tests run it.
package sourcetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/backend"
)

// Row is a notification as the app stores it.
type Row struct {
	ID, User, Context, ExpiresAt, SeenAt string
	CreatedAt                            time.Time
}

// App is an app behind a source. Insert replaces rows of the same id.
type App interface {
	Insert(t *testing.T, rows ...Row)
	Delete(t *testing.T, id string)
}

// Run checks a source; open makes a fresh app and a source over it.
func Run(t *testing.T, open func(t *testing.T) (backend.Source, App)) {
	for name, test := range map[string]func(*suite){
		"empty":             (*suite).empty,
		"oldest first":      (*suite).oldestFirst,
		"same second":       (*suite).sameSecond,
		"late":              (*suite).late,
		"deleted":           (*suite).deleted,
		"expired":           (*suite).expired,
		"before":            (*suite).before,
		"bare id":           (*suite).bareID,
		"another user":      (*suite).anotherUser,
		"fields":            (*suite).fields,
		"hostile cursors":   (*suite).hostile,
		"settled and more":  (*suite).settled,
		"order of bytes":    (*suite).orderOfBytes,
		"replaced":          (*suite).replaced,
		"replaced in place": (*suite).replacedInPlace,
	} {
		t.Run(name, func(t *testing.T) { run(t, open, test) })
	}
}

// RunDeep checks what a source must do besides that can reach all of a user's
// rows.
func RunDeep(t *testing.T, open func(t *testing.T) (backend.Source, App)) {
	t.Run("backlog", func(t *testing.T) { run(t, open, (*suite).backlog) })
	t.Run("crowded second", func(t *testing.T) { run(t, open, (*suite).crowded) })
	t.Run("late in a crowd", func(t *testing.T) { run(t, open, (*suite).lateInACrowd) })
}

func run(t *testing.T, open func(t *testing.T) (backend.Source, App), test func(*suite)) {
	source, app := open(t)
	test(&suite{t, source, app, time.Now().UTC().Truncate(time.Second)})
}

type suite struct {
	t      *testing.T
	source backend.Source
	app    App
	now    time.Time
}

func (s *suite) insert(ago time.Duration, ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		s.app.Insert(s.t, Row{ID: id, User: "alice", CreatedAt: s.now.Add(-ago)})
	}
}

func (s *suite) read(q backend.Query) backend.Page {
	s.t.Helper()
	if q.Limit == 0 {
		q.Limit = 50
	}
	p, err := s.source.Read(s.t.Context(), backend.Caller{User: "alice", Token: "alice"}, q)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *suite) want(p backend.Page, ids ...string) {
	s.t.Helper()
	var got []string
	for _, n := range p.Items {
		got = append(got, n.ID)
	}
	if diff := cmp.Diff(ids, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("items (-want +got):\n%s", diff)
	}
}

func (s *suite) empty() {
	p := s.read(backend.Query{})
	s.want(p)
	if p.Place != "0" {
		s.t.Errorf("place %q, want 0", p.Place)
	}
	s.insert(time.Second, "a")
	s.want(s.read(backend.Query{After: "0"}), "a")
}

func (s *suite) oldestFirst() {
	s.insert(9*time.Second, "c")
	s.insert(8*time.Second, "b")
	s.insert(7*time.Second, "a")
	p := s.read(backend.Query{After: "0", Limit: 2})
	s.want(p, "c", "b")
	if !p.More {
		s.t.Error("more follow, but the page does not say so")
	}
	p = s.read(backend.Query{After: p.Place, Limit: 2})
	s.want(p, "a")
	if p.More {
		s.t.Error("nothing follows, but the page says so")
	}
	s.want(s.read(backend.Query{Limit: 2}), "b", "a")
}

func (s *suite) sameSecond() {
	place, got := "0", map[string]bool{}
	s.insert(5*time.Second, "m")
	for i := 0; ; i++ {
		p := s.read(backend.Query{After: place, Limit: 1})
		for _, n := range p.Items {
			got[n.ID] = true
		}
		if place = p.Place; i == 20 {
			break
		}
		if i < 10 {
			s.insert(5*time.Second, fmt.Sprintf("%c", 'a'+(i*7)%26))
		}
	}
	if len(got) != 11 {
		s.t.Errorf("%d of 11 items of one second arrived", len(got))
	}
}

func (s *suite) late() {
	s.insert(5*time.Second, "m")
	p := s.read(backend.Query{})
	s.insert(6*time.Second, "late")
	p = s.read(backend.Query{After: p.Place})
	s.want(p, "late", "m")
	if p.Check != backend.CheckLate {
		s.t.Errorf("check %q", p.Check)
	}
	s.want(s.read(backend.Query{After: p.Place}))
}

func (s *suite) deleted() {
	s.insert(5*time.Second, "a", "b")
	p := s.read(backend.Query{})
	s.app.Delete(s.t, "b")
	s.want(s.read(backend.Query{After: p.Place}), "a")
	s.insert(4*time.Second, "c")
	s.want(s.read(backend.Query{After: p.Place}), "a", "c")
}

func (s *suite) expired() {
	at := s.now.Add(-5 * time.Second)
	legacy := func(d time.Duration) string { return s.now.Add(d).Format(backend.LegacyTime) }
	s.app.Insert(s.t,
		Row{ID: "over", User: "alice", CreatedAt: at, ExpiresAt: legacy(-time.Second)},
		Row{ID: "over, ISO", User: "alice", CreatedAt: at, ExpiresAt: s.now.Add(-time.Second).Format(time.RFC3339)},
		Row{ID: "runs", User: "alice", CreatedAt: at, ExpiresAt: legacy(time.Hour)},
		Row{ID: "what", User: "alice", CreatedAt: at, ExpiresAt: "soon"})
	s.want(s.read(backend.Query{After: "0"}), "runs", "what")
	s.want(s.read(backend.Query{}), "runs", "what")
}

func (s *suite) before() {
	s.insert(9*time.Second, "a", "b")
	s.insert(8*time.Second, "c")
	p := s.read(backend.Query{Before: "c", Limit: 1})
	s.want(p, "b")
	if !p.More {
		s.t.Error("an older item exists, but the page does not say so")
	}
	s.want(s.read(backend.Query{Before: "b"}), "a")
	s.want(s.read(backend.Query{Before: s.read(backend.Query{}).Place}), "a", "b")
}

func (s *suite) bareID() {
	s.insert(40*time.Second, "a")
	s.insert(5*time.Second, "b")
	s.want(s.read(backend.Query{After: "a"}), "b")
	s.want(s.read(backend.Query{After: "b"}))
	s.insert(6*time.Second, "late")
	s.want(s.read(backend.Query{After: "b"}), "late", "b")
}

func (s *suite) anotherUser() {
	s.insert(5*time.Second, "a")
	s.app.Insert(s.t, Row{ID: "secret", User: "bob", CreatedAt: s.now.Add(-4 * time.Second)})
	p, err := s.source.Read(s.t.Context(), backend.Caller{User: "bob", Token: "bob"}, backend.Query{Limit: 10})
	if err != nil {
		s.t.Fatal(err)
	}
	s.want(p, "secret")
	for _, place := range []string{p.Place, "secret"} {
		mine := s.read(backend.Query{After: place})
		s.want(mine, "a")
		if !mine.Reset {
			s.t.Errorf("the place %q of another user was taken", place)
		}
	}
}

func (s *suite) fields() {
	s.app.Insert(s.t,
		Row{ID: "a", User: "alice", CreatedAt: s.now.Add(-3 * time.Second), Context: `{"job_id": "7", "t": "<&>"}`, SeenAt: "2026-11-24 01:02:03"},
		Row{ID: "b", User: "alice", CreatedAt: s.now.Add(-2 * time.Second), Context: `["no object"]`},
		Row{ID: "c", User: "alice", CreatedAt: s.now.Add(-time.Second), Context: `{"half`})
	items := s.read(backend.Query{}).Items
	var context map[string]string
	if err := json.Unmarshal(items[0].Context, &context); err != nil || context["job_id"] != "7" || context["t"] != "<&>" {
		s.t.Errorf("context %s: %v", items[0].Context, err)
	}
	if got := items[0].SeenAt.Format(backend.LegacyTime); got != "2026-11-24 01:02:03" {
		s.t.Errorf("seen_at %s", got)
	}
	for _, n := range items[1:] {
		if string(n.Context) != "{}" {
			s.t.Errorf("%s: context %s, want {}", n.ID, n.Context)
		}
	}
}

func (s *suite) hostile() {
	s.insert(5*time.Second, "a")
	for _, place := range []string{`'`, `"`, `' OR '1'='1`, "%", "a%", "\U0001F600", "a' --", "A"} {
		p := s.read(backend.Query{After: place})
		s.want(p, "a")
		if !p.Reset {
			s.t.Errorf("%q was taken for a place", place)
		}
	}
}

func (s *suite) settled() {
	s.insert(3*time.Hour, "old")
	p := s.read(backend.Query{})
	if len(p.Marks) != 1 || !p.Marks[0].Settled {
		s.t.Error("an item of three hours is not settled")
	}
	s.insert(2*time.Hour, "later", "later2")
	s.insert(time.Second, "new")
	s.want(s.read(backend.Query{After: p.Place}), "later", "later2", "new")
}

// orderOfBytes has ids that a language's collation puts in another order.
func (s *suite) orderOfBytes() {
	want := []string{"-", "10", "9", "A", "Ab", "Z", "_", "a", "aB", "b", "é"}
	for _, i := range []int{3, 9, 0, 10, 7, 5, 1, 8, 6, 2, 4} {
		s.insert(5*time.Second, want[i])
	}
	place := "0"
	for _, id := range want {
		p := s.read(backend.Query{After: place, Limit: 1})
		s.want(p, id)
		place = p.Place
	}
	s.want(s.read(backend.Query{After: place}))
	s.want(s.read(backend.Query{Before: "a"}), want[:7]...)
}

// replaced writes a row again under its old id.
func (s *suite) replaced() {
	s.insert(9*time.Second, "a")
	s.insert(8*time.Second, "b")
	p := s.read(backend.Query{})
	s.insert(7*time.Second, "a")
	s.want(s.read(backend.Query{After: p.Place}), "a")
}

// replacedInPlace does so to the very item at which the reader stands.
func (s *suite) replacedInPlace() {
	s.insert(9*time.Second, "a")
	p := s.read(backend.Query{})
	s.insert(8*time.Second, "a")
	s.want(s.read(backend.Query{After: p.Place}), "a")
}

// backlog is read by pages of one, while it grows.
func (s *suite) backlog() {
	const n = 2000
	name := func(i int) string { return fmt.Sprintf("%04d", i) }
	var rows []Row
	for i := range n {
		rows = append(rows, Row{ID: name(i), User: "alice", CreatedAt: s.now.Add(time.Duration(i-n) * time.Minute)})
	}
	s.app.Insert(s.t, rows[:n/2]...)
	place := "0"
	for i := range n {
		if i == n/4 {
			s.app.Insert(s.t, rows[n/2:]...)
		}
		p := s.read(backend.Query{After: place, Limit: 1})
		if len(p.Items) != 1 || p.Items[0].ID != name(i) || p.More != (i < n/4 && i != n/2-1 || i >= n/4 && i != n-1) {
			s.t.Fatalf("page %d: %d items, the first %q, more %v", i, len(p.Items), p.Items[0].ID, p.More)
		}
		place = p.Place
	}
	s.want(s.read(backend.Query{After: place}))
}

// crowded has more items in one second than fit on a page.
func (s *suite) crowded() {
	const n = 1500
	var rows []Row
	for i := range n {
		rows = append(rows, Row{ID: fmt.Sprintf("%04d", i*7%n), User: "alice", CreatedAt: s.now.Add(-5 * time.Second)})
	}
	s.app.Insert(s.t, rows...)
	place, got := "0", 0
	for {
		p := s.read(backend.Query{After: place, Limit: 100})
		for _, item := range p.Items {
			if want := fmt.Sprintf("%04d", got); item.ID != want {
				s.t.Fatalf("item %d is %s", got, item.ID)
			}
			got++
		}
		if place = p.Place; !p.More {
			break
		}
	}
	if got != n {
		s.t.Errorf("%d of %d items of one second arrived", got, n)
	}
}

// lateInACrowd has rows slide in at both ends of a look-back that holds many: it
// goes by time, and is never cut by count.
func (s *suite) lateInACrowd() {
	const n = 2400
	var rows []Row
	for i := range n {
		rows = append(rows, Row{ID: fmt.Sprintf("%04d", i), User: "alice", CreatedAt: s.now.Add(time.Duration(i-n) * time.Second)})
	}
	s.app.Insert(s.t, rows...)
	place := s.read(backend.Query{Limit: 1}).Place
	for _, late := range []time.Duration{2 * time.Second, n*time.Second + 15*time.Minute} {
		s.want(s.read(backend.Query{After: place}))
		s.insert(late, fmt.Sprint("late ", late))
		p := s.read(backend.Query{After: place})
		if p.Check != backend.CheckLate || !slices.ContainsFunc(p.Items, func(i backend.Notification) bool { return i.ID == fmt.Sprint("late ", late) }) {
			s.t.Errorf("%s late: check %s, %d items", late, p.Check, len(p.Items))
		}
		place = p.Place
	}
}
