package sqlstore

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sluice/backend"
	"sluice/internal/servertest"
)

func TestMain(m *testing.M) {
	// The shared PostgreSQL is waited for until the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("sluice/internal/servertest.(*Postgres).launch.func1"), goleak.Cleanup(func(code int) {
		servertest.StopShared()
		os.Exit(code)
	}))
}

// must runs a statement of the app.
func must(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// null is a text that may be missing.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func closed[S interface{ Close() error }](t testing.TB, s S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func read(t testing.TB, s backend.Source, user string, q backend.Query) backend.Page {
	t.Helper()
	p, err := s.Read(context.Background(), backend.Caller{User: user}, q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pollOf(limit int) backend.Query { return backend.Query{Limit: limit} }

func ids(items []backend.Notification) string {
	var all []string
	for _, n := range items {
		all = append(all, n.ID)
	}
	return strings.Join(all, " ")
}
