package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// crowd is how many rows the tests of a large table have: enough for PostgreSQL
// to prefer an index. A soak test asks for a million.
func crowd(t testing.TB) int {
	text := os.Getenv("SLUICE_TEST_ROWS")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("SLUICE_TEST_ROWS: ", err)
	}
	return n
}

// fill adds rows of the last thirty days, the newest of now: a tenth are
// heavy's, the rest are spread over 5,000 users; every second has a delivery.
func (a *pgApp) fill(t testing.TB, n int) {
	t.Helper()
	created, id, user := "g.at", "g.id::text", "'u' || g.u"
	if a.layout.schema == "" {
		created = "to_char(g.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
	}
	if a.layout.uuids {
		id, user = "g.id", "lpad(g.u::text, 32, '0')::uuid"
	}
	must(t, a.DB, fmt.Sprintf(`WITH g AS (
			SELECT gen_random_uuid() AS id, CASE WHEN i %% 10 = 0 THEN 0 ELSE 1 + i %% 5000 END AS u,
				now() - interval '30 days' * (%d - i) / %d AS at, i FROM generate_series(1, %d) i),
		n AS (INSERT INTO notifications(id, user_id, level, title, text, context, created_at)
			SELECT %s, %s, 'info', 'T', 'Report ready', '{"job_id":"7"}', %s FROM g)
		INSERT INTO notification_deliveries(id) SELECT g.id::text || ':' || %s::text FROM g WHERE g.i %% 2 = 0`, n, n, n, id, user, created, user))
	must(t, a.DB, `ANALYZE notifications`)
	must(t, a.DB, `ANALYZE notification_deliveries`)
}

// heavy is the user of a tenth of the rows of fill.
func (a *pgApp) heavy() string {
	if a.layout.uuids {
		return "00000000-0000-0000-0000-000000000000"
	}
	return "u0"
}

// writing is what the app writes during a migration.
type writing struct {
	rows    atomic.Int64
	slowest atomic.Int64 // in nanoseconds
}

// write inserts rows, one a transaction, until ctx ends. A writer that has to
// wait for a lock of the migration fails.
func (w *writing) write(ctx context.Context, a *pgApp) error {
	conn, err := a.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SET lock_timeout = '5s'`); err != nil {
		return err
	}
	for ctx.Err() == nil {
		start := time.Now()
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), insertHeavy, a.heavy()); err != nil {
			return err
		}
		w.rows.Add(1)
		w.slowest.Store(max(w.slowest.Load(), int64(time.Since(start))))
	}
	return nil
}

const insertHeavy = `INSERT INTO notifications(id, user_id, level) VALUES (gen_random_uuid(), $1, 'info')`

// during runs f while three writers go on, and while a transaction that began
// before it stays open until the others have been seen to go on in spite of f.
func (w *writing) during(t *testing.T, a *pgApp, f func()) {
	ctx, stop := context.WithCancel(t.Context())
	var writers, migration sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			if err := w.write(ctx, a); err != nil {
				t.Errorf("a writer, after %d rows: %v", w.rows.Load(), err)
			}
		})
	}
	long, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer long.Rollback()
	if _, err := long.Exec(insertHeavy, a.heavy()); err != nil {
		t.Fatal(err)
	}
	migration.Go(f)
	servertest.Eventually(t, "the migration waits for the long transaction", func() bool {
		var n int
		err := a.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n == 1
	})
	before := w.rows.Load()
	servertest.Eventually(t, "the writers go on", func() bool { return w.rows.Load() > before+100 || t.Failed() })
	if err := long.Commit(); err != nil {
		t.Error(err)
	}
	migration.Wait()
	stop()
	writers.Wait()
}

// The indexes come and go on a large table while the app writes; then polls and
// looks of the tail use them.
func TestMigrateOnline(t *testing.T) {
	for _, name := range []string{"legacy text", "native types"} {
		t.Run(name, func(t *testing.T) {
			a := newPGApp(t, layouts[name])
			if err := MigratePostgres(t.Context(), a.url, Down); err != nil {
				t.Fatal(err)
			}
			a.fill(t, crowd(t))
			var w writing
			start := time.Now()
			w.during(t, a, func() {
				if err := MigratePostgres(t.Context(), a.url, Up); err != nil {
					t.Error(err)
				}
			})
			t.Logf("figure: migrate over %d rows, %s | took %s; meanwhile %d rows were written, the slowest in %s",
				crowd(t), name, time.Since(start).Round(time.Millisecond), w.rows.Load(), time.Duration(w.slowest.Load()).Round(time.Millisecond))
			must(t, a.DB, `ANALYZE notifications`)
			a.checkPlans(t)
		})
	}
}

// checkPlans looks at how PostgreSQL runs the statements, both for given values
// and for any.
func (a *pgApp) checkPlans(t *testing.T) {
	t.Helper()
	conn, err := openPG(t, a.url).engine.(*postgresServer).db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	found, err := readColumns(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	d, err := found.dialect()
	if err != nil {
		t.Fatal(err)
	}
	s := d.statements()
	now := time.Now().UnixMicro()
	from := d.moment(now - LookBack.Microseconds())
	place := d.moment(now - 1_000_000)
	someID := "00000000-0000-0000-0000-000000000001"
	moment := d.now(now)
	for name, c := range map[string]struct {
		query string
		index string
		args  []any
	}{
		"keys":   {s.keys, indexUser, []any{a.heavy(), from, place, someID}},
		"span":   {s.span, indexUser, []any{a.heavy(), nil, moment, from, place, someID}},
		"after":  {s.after, indexUser, []any{a.heavy(), 51, moment, place, someID}},
		"before": {s.before, indexUser, []any{a.heavy(), 51, moment, place, someID}},
		"newest": {s.newest, indexUser, []any{a.heavy(), 50, moment}},
		"find":   {s.find, "_pkey", []any{a.heavy(), someID}},
		"recent": {s.recent, indexRecent, []any{d.moment(now - window.Microseconds()), maxWindow}},
	} {
		for _, query := range []string{"SET plan_cache_mode = force_generic_plan", "PREPARE " + name + "_ AS " + c.query} {
			if _, err := conn.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		anyValues := fmt.Sprintf("EXECUTE %s_(NULL%s)", name, strings.Repeat(", NULL", len(c.args)-1))
		for mode, plan := range map[string]string{
			"for these values": explain(t, conn, c.query, c.args...),
			"for any values":   explain(t, conn, anyValues),
		} {
			if !strings.Contains(plan, c.index) || strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Bitmap") {
				t.Errorf("%s, %s:\n%s", name, mode, plan)
			}
		}
	}
}

// explain is the plan of a statement.
func explain(t *testing.T, conn *sql.Conn, query string, args ...any) string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN (COSTS OFF) "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plan := ""
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	return plan
}

// A concurrent build that was aborted leaves an index that is written to and
// never read.
func TestMigrateRebuildsWhatAnAbortedBuildLeft(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	a.fill(t, 100)
	must(t, a.DB, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '`+indexUser+`'::regclass`)
	invalid := func() (n int) {
		if err := a.QueryRow(`SELECT count(*) FROM pg_index WHERE indrelid = 'notifications'::regclass AND NOT indisvalid`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if missing, err := missingIndexes(t.Context(), a); err != nil || len(missing) != 1 || missing[0] != indexUser {
		t.Errorf("missing: %v, %v", missing, err)
	}
	if err := MigratePostgres(t.Context(), a.url, Up); err != nil || invalid() != 0 {
		t.Errorf("%v, %d invalid indexes", err, invalid())
	}
	if missing, err := missingIndexes(t.Context(), a); err != nil || len(missing) != 0 {
		t.Errorf("missing: %v, %v", missing, err)
	}
}

// objects is everything in the database that somebody has made.
func (a *pgApp) objects(t *testing.T) (names string) {
	t.Helper()
	if err := a.QueryRow(`SELECT coalesce(string_agg(relname, ' ' ORDER BY relname COLLATE "C"), '') FROM pg_class WHERE relnamespace = 'public'::regnamespace`).Scan(&names); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMigratePostgresAddsTwoIndexesAndNothingElse(t *testing.T) {
	const tables = "notification_deliveries notification_deliveries_pkey notifications notifications_pkey"
	a := &pgApp{url: servertest.SharedPostgres(t).NewDatabase(t)}
	db, err := sql.Open("pgx", a.url)
	a.DB = closed(t, db, err)
	for i, c := range []struct {
		direction Direction
		want      string
	}{
		{Down, ""}, {Up, tables + " " + indexRecent + " " + indexUser}, {Up, tables + " " + indexRecent + " " + indexUser}, {Down, tables}, {Down, tables},
	} {
		if err := MigratePostgres(t.Context(), a.url, c.direction); err != nil {
			t.Fatal(err)
		}
		if got := a.objects(t); got != c.want {
			t.Errorf("step %d leaves %s, want %s", i, got, c.want)
		}
	}
	// What the app writes without a created_at of its own can be read.
	must(t, a.DB, `INSERT INTO notifications(id, user_id) VALUES ('a', 'alice')`)
	if p := read(t, openPG(t, a.url), "alice", pollOf(5)); ids(p.Items) != "a" {
		t.Errorf("items: %s", ids(p.Items))
	}
}

func TestMigrateTellsWhatItCannotIndex(t *testing.T) {
	a := newPGApp(t, layout{schema: `CREATE TABLE notifications(id bigint PRIMARY KEY, user_id text, created_at date);
		CREATE TABLE notification_deliveries(id text PRIMARY KEY);`, raw: true})
	err := MigratePostgres(t.Context(), a.url, Up)
	for _, want := range []string{"notifications.id is of type bigint", "created_at is of type date", "no column notifications.expires_at", "no column notification_deliveries.seen_at"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// Two at once would take each other's half-built indexes for left over.
func TestMigrateTwiceAtOnce(t *testing.T) {
	a := newPGApp(t, layouts["legacy text"])
	if err := MigratePostgres(t.Context(), a.url, Down); err != nil {
		t.Fatal(err)
	}
	a.fill(t, 10_000)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := MigratePostgres(t.Context(), a.url, Up); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if missing, err := missingIndexes(t.Context(), a); err != nil || len(missing) != 0 {
		t.Errorf("missing: %v, %v", missing, err)
	}
}
