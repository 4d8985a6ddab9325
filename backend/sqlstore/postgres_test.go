package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib"

	"sluice/backend"
	"sluice/backend/sourcetest"
	"sluice/internal/servertest"
)

// pgApp is an app over PostgreSQL.
type pgApp struct {
	*sql.DB
	url    string
	layout layout
}

// layout is one choice of column types. An empty schema: what Migrate creates.
type layout struct {
	schema   string
	uuids    bool
	database string // what follows CREATE DATABASE
	settings string // of the database
	raw      bool   // not migrated
}

var layouts = map[string]layout{
	"legacy text":                  {},
	"legacy text, sorted by bytes": {database: "TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"},
	"native types": {
		schema: `CREATE TYPE level AS ENUM ('info', 'error');
			CREATE TABLE notifications(id uuid PRIMARY KEY, user_id uuid NOT NULL, event_id bigint, level level, title text, text text, context jsonb,
				created_at timestamptz DEFAULT now(), expires_at timestamptz);
			CREATE TABLE notification_deliveries(id text PRIMARY KEY, user_id uuid, notification_id uuid, delivered_at timestamptz, seen_at timestamptz, dismissed_at timestamptz);`,
		uuids: true, settings: `timezone = 'Asia/Kolkata'`,
	},
	"varchar and times without a zone": {
		schema: `CREATE DOMAIN moment AS timestamp;
			CREATE TABLE notifications(id varchar(200) PRIMARY KEY, user_id varchar(100), event_id text, level varchar(10), title text, text text, context json,
				created_at moment, expires_at timestamp);
			CREATE TABLE notification_deliveries(id varchar(300) PRIMARY KEY, user_id text, notification_id text, delivered_at timestamp, seen_at timestamp, dismissed_at timestamp);`,
		settings: `timezone = 'America/St_Johns'`,
	},
}

func newPGApp(t testing.TB, l layout) *pgApp {
	t.Helper()
	a := &pgApp{url: servertest.SharedPostgres(t).NewDatabase(t, l.database), layout: l}
	db, err := sql.Open("pgx", a.url)
	a.DB = closed(t, db, err)
	if l.settings != "" {
		var name string
		if err := a.QueryRow(`SELECT current_database()`).Scan(&name); err != nil {
			t.Fatal(err)
		}
		must(t, db, "ALTER DATABASE "+name+" SET "+l.settings)
		must(t, db, "SET "+l.settings)
	}
	if l.schema != "" {
		must(t, db, l.schema)
	}
	if l.raw {
		return a
	}
	if err := MigratePostgres(t.Context(), a.url, Up); err != nil {
		t.Fatal(err)
	}
	return a
}

func openPG(t testing.TB, url string) *Store {
	t.Helper()
	s, err := OpenPostgres(url)
	return closed(t, s, err)
}

// id is a test's short name as the app stores it: with UUIDs, its bytes, which
// keeps the order.
func (a *pgApp) id(name string) string {
	if !a.layout.uuids {
		return name
	}
	var u uuid.UUID
	if copy(u[:], name); len(name) > len(u) {
		panic(name)
	}
	return u.String()
}

func (a *pgApp) name(id string) string {
	if !a.layout.uuids {
		return id
	}
	u := uuid.MustParse(id)
	return string(bytes.TrimRight(u[:], "\x00"))
}

func (a *pgApp) Insert(t *testing.T, rows ...sourcetest.Row) {
	t.Helper()
	tx, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, r := range rows {
		a.insert(t, tx, r)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func (a *pgApp) insert(t *testing.T, tx *sql.Tx, r sourcetest.Row) {
	t.Helper()
	created, native := any(r.CreatedAt.UTC().Format(backend.LegacyTime)), a.layout.schema != ""
	expires, seen := null(r.ExpiresAt), null(r.SeenAt)
	data := null(r.Context)
	if native {
		created, expires, seen = r.CreatedAt.UTC(), nativeTime(r.ExpiresAt), nativeTime(r.SeenAt)
		if !json.Valid([]byte(r.Context)) {
			data = nil
		}
	}
	if _, err := tx.Exec(`INSERT INTO notifications(id, user_id, level, title, text, context, created_at, expires_at) VALUES ($1,$2,'info','T','x',$3,$4,$5)
		ON CONFLICT (id) DO UPDATE SET created_at = EXCLUDED.created_at`, a.id(r.ID), a.id(r.User), data, created, expires); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`INSERT INTO notification_deliveries(id, seen_at) VALUES ($1,$2) ON CONFLICT DO NOTHING`,
		a.id(r.ID)+":"+a.id(r.User), seen); err != nil {
		t.Fatal(err)
	}
}

func nativeTime(s string) any {
	if t, ok := backend.ParseTime(s); ok {
		return t
	}
	return nil
}

func (a *pgApp) Delete(t *testing.T, id string) {
	t.Helper()
	must(t, a.DB, `DELETE FROM notifications WHERE id = $1`, a.id(id))
}

// named is a source whose users and ids are the tests' short names.
type named struct {
	backend.Source
	app *pgApp
}

func (s named) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	c.User = s.app.id(c.User)
	for _, place := range []*string{&q.After, &q.Before} {
		if *place != "" && *place != "0" && len(*place) <= 16 {
			*place = s.app.id(*place)
		}
	}
	p, err := s.Source.Read(ctx, c, q)
	for i := range p.Items {
		p.Items[i].ID = s.app.name(p.Items[i].ID)
	}
	return p, err
}

func TestPostgresSource(t *testing.T) {
	for name, l := range layouts {
		t.Run(name, func(t *testing.T) {
			a := newPGApp(t, l)
			open := func(t *testing.T) (backend.Source, sourcetest.App) {
				must(t, a.DB, `TRUNCATE notifications, notification_deliveries`)
				return named{openPG(t, a.url), a}, a
			}
			sourcetest.Run(t, open)
			sourcetest.RunDeep(t, open)
		})
	}
}

// at is a moment to the microsecond, in the past.
func at(micros int) time.Time { return time.Date(2026, 3, 1, 2, 30, 0, micros*1000, time.UTC) }

// Columns with microseconds must not be compared to the second, whatever the
// time zone of the database: in St. John's there is a gap at that hour a week later.
func TestMicroseconds(t *testing.T) {
	for _, name := range []string{"native types", "varchar and times without a zone"} {
		a := newPGApp(t, layouts[name])
		s := named{openPG(t, a.url), a}
		for i, id := range []string{"d", "c", "b", "a"} { // in the order of time, against that of ids
			a.Insert(t, sourcetest.Row{ID: id, User: "alice", CreatedAt: at(999_998 + i)})
		}
		place := "0"
		for _, id := range []string{"d", "c", "b", "a"} {
			p := read(t, s, "alice", backend.Query{After: place, Limit: 1})
			if ids(p.Items) != id || p.Items[0].At != at(999_998+strings.Index("dcba", id)).UnixMicro() {
				t.Fatalf("%s: after %q came %v at %v, want %s", name, place, ids(p.Items), p.Items[0].Time(), id)
			}
			place = p.Place
		}
		// The look-back behind "a" ends 2 µs before the hour behind "d".
		a.Insert(t, sourcetest.Row{ID: "edge", User: "alice", CreatedAt: at(1_000_001).Add(-LookBack)})
		if p := read(t, s, "alice", backend.Query{Before: "d", Limit: 9}); ids(p.Items) != "edge" {
			t.Errorf("%s: before d: %s", name, ids(p.Items))
		}
	}
}

// Where the checksum's look-back begins must be exact to the microsecond: a row
// on its edge counts, a row before it does not.
func TestEdgeOfTheLookBack(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	s := openPG(t, a.url)
	now := time.Now().UTC().Truncate(time.Second).Add(123456 * time.Microsecond)
	a.Insert(t, sourcetest.Row{ID: "m", User: "alice", CreatedAt: now})
	for _, c := range []struct {
		id     string
		behind time.Duration
		counts bool
	}{{"in", LookBack, true}, {"out", LookBack + time.Microsecond, false}} {
		p := read(t, s, a.id("alice"), backend.Query{Limit: 1})
		a.Insert(t, sourcetest.Row{ID: c.id, User: "alice", CreatedAt: now.Add(-c.behind)})
		again := read(t, s, a.id("alice"), backend.Query{After: p.Place, Limit: 1})
		if late := again.Check == backend.CheckLate; late != c.counts {
			t.Errorf("a row %s behind: check %s", c.behind, again.Check)
		}
	}
}

// Users and ids that cannot be in the columns have no rows, and break nothing.
func TestImpossibleNames(t *testing.T) {
	for name, l := range layouts {
		a := newPGApp(t, l)
		s := openPG(t, a.url)
		a.Insert(t, sourcetest.Row{ID: "a", User: "alice", CreatedAt: time.Now()})
		for _, user := range []string{"nobody", "", "a\x00b", "\xff", "{" + a.id("alice") + "}", strings.Repeat("x", 9000)} {
			if p := read(t, s, user, backend.Query{Limit: 5}); len(p.Items) != 0 || p.Place != "0" {
				t.Errorf("%s: user %q has %d items", name, user, len(p.Items))
			}
		}
		alice := a.id("alice")
		for _, id := range []string{"nothing", "\x00", "\xff", "\xff\xfe", strings.Repeat("x", 150), a.id("zz")} {
			for _, key := range []backend.Key{{At: 1, ID: id}, {At: 1 << 62, ID: id}, {At: -1 << 62, ID: id}} {
				for _, q := range []backend.Query{{After: id, Limit: 5}, {Before: id, Limit: 5},
					{After: backend.Cursor{Key: key}.Seal(alice), Limit: 5}, {Before: backend.Cursor{Key: key}.Seal(alice), Limit: 5}} {
					read(t, s, alice, q)
				}
			}
		}
	}
}

// Tokens may write a UUID in upper case; its rows are the same user's.
func TestUpperCaseUser(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	a.Insert(t, sourcetest.Row{ID: "a", User: "kim-and-others", CreatedAt: time.Now()})
	for _, c := range []struct {
		user string
		want int
	}{{a.id("kim-and-others"), 1}, {strings.ToUpper(a.id("kim-and-others")), 1}, {strings.Replace(a.id("kim-and-others"), "d", "D", 1), 0}} {
		if p := read(t, openPG(t, a.url), c.user, backend.Query{Limit: 1}); len(p.Items) != c.want {
			t.Errorf("%s has %d items, want %d", c.user, len(p.Items), c.want)
		}
	}
}

func TestPostgresRefusesDatesItCannotOrder(t *testing.T) {
	text, native := newPGApp(t, layouts["legacy text"]), newPGApp(t, layouts["native types"])
	for _, c := range []struct {
		app     *pgApp
		created any
	}{{text, "2026-11-24T08:00:00Z"}, {text, "2026-11-24 08:00:00.5"}, {text, "yesterday"}, {text, ""}, {text, nil}, {native, nil}, {native, "infinity"}, {native, "-infinity"}} {
		must(t, c.app.DB, `TRUNCATE notifications`)
		must(t, c.app.DB, `INSERT INTO notifications(id, user_id, created_at) VALUES ($1, $2, $3)`, c.app.id("a"), c.app.id("alice"), c.created)
		_, err := openPG(t, c.app.url).Read(t.Context(), backend.Caller{User: c.app.id("alice")}, backend.Query{Limit: 1})
		if err == nil || !strings.Contains(err.Error(), "created_at") {
			t.Errorf("%v: %v", c.created, err)
		}
	}
}

// What is over is judged by the database's clock, whatever the type and the way
// it is written; what is no date, and what never ends, is shown.
func TestExpiry(t *testing.T) {
	now := time.Now().UTC()
	forms := map[string]string{
		"legacy": "2006-01-02 15:04:05", "fraction": "2006-01-02 15:04:05.000", "Z": "2006-01-02T15:04:05Z", "zone": "2006-01-02T15:04:05-07:00", "no zone": "2006-01-02T15:04:05",
	}
	zone := time.FixedZone("", -3*3600-30*60)
	a := newPGApp(t, layouts["legacy text"])
	for name, form := range forms {
		for what, d := range map[string]time.Duration{"over": -2 * time.Minute, "runs": 2 * time.Minute} {
			moment := now.Add(d)
			if name == "zone" {
				moment = moment.In(zone)
			}
			a.Insert(t, sourcetest.Row{ID: what + " " + name, User: "alice", CreatedAt: now, ExpiresAt: moment.Format(form)})
		}
	}
	for i, odd := range []string{"soon", "2026-99-99 00:00:00", "9999-12-31T23:59:59+99:59", " ", "infinity"} {
		a.Insert(t, sourcetest.Row{ID: fmt.Sprint("runs odd ", i), User: "alice", CreatedAt: now, ExpiresAt: odd})
	}
	shown := ids(read(t, openPG(t, a.url), "alice", backend.Query{Limit: 100}).Items)
	if strings.Contains(shown, "over") || strings.Count(shown, "runs") != len(forms)+5 {
		t.Errorf("shown: %s", shown)
	}
	for _, name := range []string{"native types", "varchar and times without a zone"} {
		b := newPGApp(t, layouts[name])
		b.Insert(t, sourcetest.Row{ID: "a", User: "alice", CreatedAt: now}, sourcetest.Row{ID: "b", User: "alice", CreatedAt: now})
		must(t, b.DB, `UPDATE notifications SET expires_at = CASE WHEN id::text = $1 THEN 'infinity' ELSE '-infinity' END::timestamptz`, b.id("a"))
		items := read(t, openPG(t, b.url), b.id("alice"), backend.Query{Limit: 9}).Items
		if len(items) != 1 || b.name(items[0].ID) != "a" || !items[0].ExpiresAt.IsZero() {
			t.Errorf("%s: %v", name, items)
		}
	}
}
