package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTables(t *testing.T) {
	a := newApp(t)
	tests := map[string]string{
		"notifications":           "id*,user_id,event_id,level,title,text,context,created_at=datetime('now'),expires_at",
		"notification_deliveries": "id*,user_id,notification_id,delivered_at,seen_at,dismissed_at",
		"user_sessions":           "session_id*,user_id,created_at=datetime('now'),last_notification_id,expires_at",
	}
	for table, want := range tests {
		var got string
		err := a.store.db.QueryRowContext(t.Context(), `
			SELECT group_concat(name || iif(pk, '*', '') || coalesce('=' || dflt_value, ''), ',')
			FROM pragma_table_info(?) WHERE type = 'TEXT'`, table).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", table, got, err, want)
		}
	}
}

func TestPragmasOfEveryConnection(t *testing.T) {
	a := newApp(t)
	for range 3 {
		conn, err := a.store.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		got := map[string]string{}
		for _, name := range []string{"journal_mode", "busy_timeout"} {
			var value string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
				t.Fatal(err)
			}
			got[name] = value
		}
		if diff := cmp.Diff(map[string]string{"journal_mode": "wal", "busy_timeout": "5000"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDatabaseOfAnyNameIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20e.db")
	for run := range 2 {
		a, err := New(path, testKey)
		if err != nil {
			t.Fatal(err)
		}
		if ids := poll(t, a, ""); len(ids) != run {
			t.Errorf("run %d: %v", run, ids)
		}
		put(t, a, fmt.Sprint("n", run), run)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestOpenErrorNamesTheFile(t *testing.T) {
	_, err := New(t.TempDir(), testKey)
	if err == nil || !strings.Contains(err.Error(), "demo: create tables in /") {
		t.Errorf("%v", err)
	}
}
