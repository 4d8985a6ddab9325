package sqlstore

import (
	"context"
	"sync"
	"testing"

	"sluice/backend"
)

func kept(s *Store) int { return len(s.engine.(*sqliteFile).db.kept) }

// Statements are prepared once, and follow what becomes of the tables.
func TestSQLiteKeepsStatements(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	s := openStore(t, a.path)
	a.add(t, "a", "alice")
	place := read(t, s, "alice", backend.Query{Limit: 10}).Place
	read(t, s, "alice", backend.Query{After: place, Limit: 10})
	n := kept(s)
	read(t, s, "bob", backend.Query{Limit: 10})
	read(t, s, "alice", backend.Query{After: place, Limit: 10})
	if n == 0 || kept(s) != n {
		t.Errorf("%d statements are kept, and %d after more polls of the same kinds", n, kept(s))
	}
	a.must(t, `ALTER TABLE notifications ADD COLUMN extra TEXT`)
	a.must(t, `DROP INDEX `+indexUser)
	a.add(t, "b", "alice")
	if p := read(t, s, "alice", backend.Query{After: place, Limit: 10}); len(p.Items) != 1 || p.Items[0].ID != "b" {
		t.Errorf("after a change of the table: %+v", p.Items)
	}
}

// Many reads use them at a time, each on a connection of its own; those whose callers
// leave spoil nothing for the others.
func TestSQLiteSharesStatements(t *testing.T) {
	a := newApp(t, "app.db")
	a.migrate(t, Up)
	users := []string{"alice", "bob", "carol", "dave"}
	for _, user := range users {
		a.add(t, "of "+user, user)
	}
	s := openStore(t, a.path)
	var reading sync.WaitGroup
	for i := range 16 {
		reading.Go(func() {
			user := users[i%len(users)]
			for n := range 50 {
				ctx, leave := context.WithCancel(t.Context())
				if n%5 == 4 {
					go leave()
				}
				p, err := s.Read(ctx, backend.Caller{User: user}, backend.Query{Limit: 10})
				if n%5 != 4 && (err != nil || len(p.Items) != 1 || p.Items[0].ID != "of "+user) {
					t.Errorf("%s: %+v %v", user, p.Items, err)
				}
				leave()
			}
		})
	}
	reading.Wait()
}
