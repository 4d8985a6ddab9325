package sqlstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/backend"
	"sluice/backend/sourcetest"
	"sluice/internal/servertest"
)

func TestPostgresReadsOnly(t *testing.T) {
	a := newPGApp(t, layouts["legacy text"])
	if _, err := openPG(t, a.url).engine.(*postgresServer).db.Exec(`DELETE FROM notifications`); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("the app's database can be written to: %v", err)
	}
}

// A poll sees one state: what commits while it runs is in none of its queries.
func TestPostgresOneState(t *testing.T) {
	a := newPGApp(t, layouts["legacy text"])
	a.Insert(t, sourcetest.Row{ID: "a", User: "alice", CreatedAt: time.Now().Add(-time.Minute)})
	v, err := openPG(t, a.url).begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.end()
	s := &snapshot{view: v, owner: "alice"}
	a.Insert(t, sourcetest.Row{ID: "b", User: "alice", CreatedAt: time.Now()})
	items, err := s.Newest(9)
	if err != nil || ids(items) != "a" {
		t.Errorf("%s, %v", ids(items), err)
	}
}

// The snapshot's clock is the database's, and not later than its state.
func TestPostgresClock(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	v, err := openPG(t, a.url).begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.end()
	var begin, later time.Time
	if err := v.QueryRowContext(t.Context(), `SELECT transaction_timestamp(), clock_timestamp()`).Scan(&begin, &later); err != nil {
		t.Fatal(err)
	}
	if !v.now.Equal(begin) || !v.now.Before(later) {
		t.Errorf("now is %s; the transaction began at %s", v.now, begin)
	}
}

// Types change under a store that is open; it finds out by itself, and is never
// wrong meanwhile. Connections are new each time, so that no prepared statement
// tells of the change.
func TestColumnTypesChange(t *testing.T) {
	a := newPGApp(t, layout{settings: "timezone = 'America/Lima'"})
	a.Insert(t, sourcetest.Row{ID: "00000000-0000-0000-0000-00000000000a", User: "alice", CreatedAt: time.Now()})
	s := openPG(t, a.url)
	s.engine.(*postgresServer).db.SetMaxIdleConns(-1)
	place := read(t, s, "alice", pollOf(1)).Place
	if err := MigratePostgres(t.Context(), a.url, Down); err != nil {
		t.Fatal(err)
	}
	must(t, a.DB, `ALTER TABLE notifications ALTER created_at DROP DEFAULT`)
	for _, change := range []string{"created_at TYPE timestamp USING created_at::timestamp", "created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC'",
		"id TYPE uuid USING id::uuid", "context TYPE jsonb USING context::jsonb"} {
		must(t, a.DB, `ALTER TABLE notifications ALTER `+change)
		servertest.Eventually(t, change, func() bool {
			p, err := s.Read(t.Context(), backend.Caller{User: "alice"}, backend.Query{After: place, Limit: 5})
			q, err2 := s.Read(t.Context(), backend.Caller{User: "alice"}, backend.Query{Limit: 5})
			if err == nil && (len(p.Items) > 0 || p.Check != backend.CheckEqual) {
				t.Errorf("%s: %d items, check %s", change, len(p.Items), p.Check)
			}
			return err == nil && err2 == nil && len(q.Items) == 1
		})
	}
}

func TestPasswordsNeverShow(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2@127.0.0.1:1/db", "postgres://u:hunter2@h:port/db", "postgres://u:%zzhunter2@h/db",
		"host=127.0.0.1 port=1 password=hunter2", "host=h password=hunter2 sslmode=what", "host=h password='hunter2",
	} {
		s, err := OpenPostgres(dsn)
		if err == nil {
			defer s.Close()
			_, err = s.Read(t.Context(), backend.Caller{User: "alice"}, pollOf(1))
		}
		migrate := MigratePostgres(t.Context(), dsn, Up)
		if err == nil || migrate == nil || strings.Contains(fmt.Sprint(err, migrate), "hunter2") {
			t.Errorf("%v, %v", err, migrate)
		}
	}
}

// A server that goes and comes back, hangs, or turns out to be a replica.
func TestPostgresFails(t *testing.T) {
	server := servertest.StartPostgres(t)
	url := server.NewDatabase(t)
	if err := MigratePostgres(t.Context(), url, Up); err != nil {
		t.Fatal(err)
	}
	s := openPG(t, url)
	poll := func() error {
		_, err := s.Read(t.Context(), backend.Caller{User: "alice"}, pollOf(1))
		return err
	}
	if err := poll(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := poll(); backend.FaultOf(err) != backend.Unavailable || err == nil {
		t.Errorf("killed: %v", err)
	}
	server.Start(t)
	servertest.Eventually(t, "polls are answered again", func() bool { return poll() == nil })
	server.Freeze()
	s.timeout = 200 * time.Millisecond
	if err := poll(); backend.FaultOf(err) != backend.TooLate {
		t.Errorf("frozen: %v", err)
	}
	s.timeout = readTimeout
	server.Thaw()
	servertest.Eventually(t, "polls are answered after a thaw", func() bool { return poll() == nil })

	server.Stop()
	server.Standby(t)
	server.Start(t)
	for _, attributes := range []string{"", "&target_session_attrs=standby", "&target_session_attrs=any"} {
		replica := openPG(t, url+attributes)
		if _, err := replica.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "in recovery") {
			t.Errorf("check%s: %v", attributes, err)
		}
		if _, err := replica.Read(t.Context(), backend.Caller{User: "alice"}, pollOf(1)); backend.FaultOf(err) != backend.Unavailable {
			t.Errorf("a replica was read: %v", err)
		}
	}
	server.Kill()
}
