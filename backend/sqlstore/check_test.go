package sqlstore

import (
	"strings"
	"testing"
	"time"

	"sluice/backend"
)

// checked is what Check says, in one line.
func checked(t *testing.T, s *Store) (hints, problem string) {
	t.Helper()
	all, err := s.Check(t.Context())
	if err != nil {
		problem = err.Error()
	}
	return strings.Join(all, "; "), problem
}

type checkable interface {
	exec(t *testing.T, query string, args ...any)
	store(t *testing.T) *Store
	migrate(t *testing.T, d Direction)
}

func (a app) exec(t *testing.T, query string, args ...any) { t.Helper(); must(t, a.DB, query, args...) }
func (a app) store(t *testing.T) *Store                    { return openStore(t, a.path) }
func (a app) migrate(t *testing.T, d Direction) {
	t.Helper()
	if err := Migrate(t.Context(), a.path, d); err != nil {
		t.Fatal(err)
	}
}

func (a *pgApp) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	must(t, a.DB, query, args...)
}
func (a *pgApp) store(t *testing.T) *Store { return openPG(t, a.url) }
func (a *pgApp) migrate(t *testing.T, d Direction) {
	t.Helper()
	if err := MigratePostgres(t.Context(), a.url, d); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	for name, a := range map[string]checkable{"sqlite": newApp(t, "app.db"), "postgres": newPGApp(t, layouts["legacy text"])} {
		t.Run(name, func(t *testing.T) {
			a.migrate(t, Up)
			a.exec(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('right', 'alice', '2026-11-24 08:00:00')`)
			if hints, problem := checked(t, a.store(t)); hints != "" || problem != "" {
				t.Errorf("nothing is wrong: %q, %q", hints, problem)
			}
			a.migrate(t, Down)
			if hints, problem := checked(t, a.store(t)); strings.Count(hints, "sluice migrate adds it") != 2 || problem != "" {
				t.Errorf("no indexes: %q, %q", hints, problem)
			}
			for _, created := range []any{"2026-11-24T08:00:00Z", nil} {
				a.exec(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('wrong', 'bob', $1)`, created)
				if _, problem := checked(t, a.store(t)); !strings.Contains(problem, `"wrong": created_at`) {
					t.Errorf("created_at %v: %q", created, problem)
				}
				a.exec(t, `DELETE FROM notifications WHERE id = 'wrong'`)
			}
			a.exec(t, `INSERT INTO notifications(id, user_id, created_at) VALUES ('early', 'bob', $1)`, time.Now().UTC().Add(2*time.Hour).Format(backend.LegacyTime))
			if hints, problem := checked(t, a.store(t)); !strings.Contains(hints, `"early" has a created_at that is 2h0m0s ahead`) && !strings.Contains(hints, "1h59m") || problem != "" {
				t.Errorf("ahead: %q, %q", hints, problem)
			}
			a.exec(t, `DELETE FROM notifications WHERE id = 'early'`)
			a.exec(t, `ALTER TABLE notification_deliveries RENAME COLUMN seen_at TO read_at`)
			if _, problem := checked(t, a.store(t)); !strings.Contains(problem, "seen_at") {
				t.Errorf("no seen_at: %q", problem)
			}
			a.exec(t, `DROP TABLE notification_deliveries`)
			if _, problem := checked(t, a.store(t)); !strings.Contains(problem, "notification_deliveries") {
				t.Errorf("no deliveries: %q", problem)
			}
		})
	}
}

func TestCheckTypes(t *testing.T) {
	a := newPGApp(t, layouts["native types"])
	if hints, problem := checked(t, openPG(t, a.url)); hints != "" || problem != "" {
		t.Errorf("nothing is wrong: %q, %q", hints, problem)
	}
	must(t, a.DB, `INSERT INTO notifications(id, user_id, created_at) VALUES (gen_random_uuid(), gen_random_uuid(), 'infinity')`)
	if _, problem := checked(t, openPG(t, a.url)); !strings.Contains(problem, "infinite") {
		t.Errorf("infinite: %q", problem)
	}
	must(t, a.DB, `ALTER TABLE notifications ALTER context TYPE bytea USING NULL`)
	if _, problem := checked(t, openPG(t, a.url)); !strings.Contains(problem, "notifications.context is of type bytea") {
		t.Errorf("bytea: %q", problem)
	}
}
