package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

const key = "the key of the sample app's tokens"

func start(t *testing.T, environ []string, program string, args ...string) *servertest.Process {
	t.Helper()
	return servertest.StartProcess(t, environ, filepath.Join(bin, program), args...)
}

// world is Sluice before the sample app, and what both of them need.
type world struct {
	t      *testing.T
	sluice *servertest.Process
	url    string // of the gateway
	admin  string
	redis  *servertest.Redis
	db     *appdb.DB
	store  string // a link to the app's database: what of it the gateway sees

	environ []string // the gateway's
}

// newWorld starts all of it; environ adds to Sluice's environment.
func newWorld(t *testing.T, environ ...string) *world {
	t.Helper()
	w := &world{t: t, redis: servertest.StartRedis(t)}
	folder := t.TempDir()
	database := filepath.Join(folder, "app.db")
	w.store = filepath.Join(folder, "as-sluice-sees-it.db")
	if err := os.Symlink(database, w.store); err != nil {
		t.Fatal(err)
	}
	app := start(t, nil, "sampleapp", "-db", database, "-key", key)
	address := app.Line()
	var err error
	if w.db, err = appdb.Open(database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	store := []string{"SLUICE_STORE_DRIVER=sqlite", "SLUICE_STORE_DSN=" + w.store}
	if migrate := start(t, store, "sluice", "migrate"); migrate.Status() != 0 {
		t.Fatal(migrate.Stderr.String())
	}
	w.environ = slices.Concat(store, []string{
		"SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_AUTH_KEY=" + key,
		"SLUICE_UPSTREAM_URL=http://" + address, "SLUICE_REDIS_URL=" + w.redis.URL,
		"SLUICE_LIMITS_POLL_RATE=0", // tests poll as fast as they can
	}, environ)
	w.serve()
	return w
}

// serve starts the gateway; again, it is back at the same address.
func (w *world) serve() {
	w.t.Helper()
	w.sluice = start(w.t, w.environ, "sluice", "serve")
	serving := w.sluice.Logged("serving")
	listen := serving["listen"].(string)
	w.url, w.admin = "http://"+listen, "http://"+serving["admin"].(string)
	w.environ = append(w.environ, "SLUICE_LISTEN="+listen)
}

// insert writes one notification behind everybody's back, and returns its id.
func (w *world) insert(user, text string) string {
	w.t.Helper()
	ids, err := w.db.Insert(appdb.Row{User: user, Level: "info", Text: text, Context: "{}"})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids[0]
}
