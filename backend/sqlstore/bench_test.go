package sqlstore

import (
	"context"
	"fmt"
	"testing"

	"sluice/backend"
)

// busy is the user of BenchmarkPoll, with all their items within the look-back.
const busy = "busy"

// crowdedSQLite has n items of busy within the last 50 minutes, and as many of others.
func crowdedSQLite(b *testing.B, n int) *Store {
	a := newApp(b, "app.db")
	if err := Migrate(b.Context(), a.path, Up); err != nil {
		b.Fatal(err)
	}
	a.must(b, `WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < $1)
		INSERT INTO notifications(id, user_id, level, title, text, created_at)
		SELECT lower(hex(randomblob(16))), CASE WHEN i % 2 = 0 THEN 'busy' ELSE 'u' || (i % 1000) END, 'info', 'T', 'Report ready',
			datetime('now', -(3000.0 * ($1 - i) / $1) || ' seconds') FROM g`, 2*n)
	return openStore(b, a.path)
}

// crowdedPostgres is the same.
func crowdedPostgres(b *testing.B, l layout, n int) (*Store, string) {
	a := newPGApp(b, l)
	created, id, user := "g.at", "g.id::text", "g.u"
	if l.schema == "" {
		created = "to_char(g.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
	}
	if l.uuids {
		id, user = "g.id", "md5(g.u)::uuid"
	}
	must(b, a.DB, fmt.Sprintf(`WITH g AS (SELECT gen_random_uuid() AS id, CASE WHEN i %% 2 = 0 THEN 'busy' ELSE 'u' || i %% 1000 END AS u,
			now() - interval '3000 seconds' * (%d - i) / %d AS at FROM generate_series(1, %d) i)
		INSERT INTO notifications(id, user_id, level, title, text, created_at) SELECT %s, %s, 'info', 'T', 'Report ready', %s FROM g`,
		2*n, 2*n, 2*n, id, user, created))
	must(b, a.DB, `VACUUM ANALYZE notifications`)
	var name string
	if err := a.QueryRow(`SELECT ` + map[bool]string{true: "md5('busy')::uuid::text", false: "'busy'"}[l.uuids]).Scan(&name); err != nil {
		b.Fatal(err)
	}
	return openPG(b, a.url), name
}

// BenchmarkPoll is the cost of an idle poll, of one behind whose place nothing can slide in,
// of a first page, and of one that finds an item new, by how many items the user has within
// the look-back.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("sqlite/%d", n), func(b *testing.B) { benchmarkPolls(b, crowdedSQLite(b, n), busy) })
		for _, name := range []string{"legacy text", "native types"} {
			b.Run(fmt.Sprintf("postgres %s/%d", name, n), func(b *testing.B) {
				s, user := crowdedPostgres(b, layouts[name], n)
				benchmarkPolls(b, s, user)
			})
		}
	}
}

func benchmarkPolls(b *testing.B, s *Store, user string) {
	newest := read(b, s, user, backend.Query{Limit: 50})
	if len(newest.Items) != 50 {
		b.Fatal(len(newest.Items))
	}
	for name, q := range map[string]backend.Query{
		"idle":    {After: newest.Place, Limit: 50},
		"settled": {After: backend.Cursor{Key: newest.Marks[49].Key, Settled: true}.Seal(user), Limit: 50},
		"first":   {Limit: 50},
		"new":     {After: newest.Marks[48].Seal(user), Limit: 50},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Read(context.Background(), backend.Caller{User: user}, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPostgresLook is a look of the tail when the app inserts so many rows
// a second: thirty seconds of them are in the window.
func BenchmarkPostgresLook(b *testing.B) {
	for _, rate := range []int{100, 500, 2000} {
		for _, name := range []string{"legacy text", "native types"} {
			b.Run(fmt.Sprintf("%s/%d per second", name, rate), func(b *testing.B) {
				a := newPGApp(b, layouts[name])
				a.fill(b, 10_000)
				created, id, user := "now() + interval '1 hour'", "gen_random_uuid()", "'u' || (i % 1000)"
				if a.layout.uuids {
					user = "gen_random_uuid()"
				} else {
					created = "to_char((" + created + ") AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
				}
				// Rows of the future stay in the window for as long as it takes to measure.
				must(b, a.DB, fmt.Sprintf(`INSERT INTO notifications(id, user_id, created_at) SELECT %s, %s, %s FROM generate_series(1, %d) i`,
					id, user, created, 30*rate))
				tail := openPG(b, a.url).Tail()
				defer tail.Close()
				look(b, tail)
				b.ReportAllocs()
				for b.Loop() {
					if c := look(b, tail); len(c.Users) > 0 {
						b.Fatal(c)
					}
				}
			})
		}
	}
}

// BenchmarkSQLiteLook is a look that finds nothing committed, and one that finds
// a row, by the rows in its window.
func BenchmarkSQLiteLook(b *testing.B) {
	for _, n := range []int{30, 3000, 30_000} {
		a := newApp(b, "app.db")
		if err := Migrate(b.Context(), a.path, Up); err != nil {
			b.Fatal(err)
		}
		a.must(b, `WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < $1)
			INSERT INTO notifications(id, user_id, created_at) SELECT i, 'u', datetime('now', '+1 hour') FROM g`, n)
		tail := openStore(b, a.path).Tail()
		defer tail.Close()
		look(b, tail)
		b.Run("idle", func(b *testing.B) {
			for b.Loop() {
				look(b, tail)
			}
		})
		b.Run(fmt.Sprintf("a row, %d in the window", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				a.must(b, `INSERT INTO notifications(id, user_id, created_at) VALUES (hex(randomblob(16)), 'v', '2001-01-01 00:00:00')`)
				b.StartTimer()
				if c := look(b, tail); len(c.Users) != 1 {
					b.Fatal(c)
				}
			}
		})
	}
}
