package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sluice/backend/sqlstore"
	"sluice/proxy/config"
)

// SampleApp makes the app of the demo, on a database file and with a key to sign
// its tokens. It is handed in by main, so that the gateway does not depend on it.
type SampleApp func(database string, key []byte) (App, error)

// ControlRoom makes what the demo puts before its gateway: a page from which
// people move the levers. It reads the app's database and signs with its key.
type ControlRoom func(database string, key []byte, levers *Levers, gateway http.Handler) (App, error)

// App is a running sample app, or a control room.
type App interface {
	http.Handler
	io.Closer
}

type demoCommand struct {
	Listen string `default:"127.0.0.1:8080" help:"Address of the gateway."`
	App    string `default:"127.0.0.1:8000" help:"Address of the sample app."`
	Admin  string `default:"127.0.0.1:8081" help:"Address of the admin listener."`
}

// Run serves the sample app, a Redis where there is one, and before them the
// gateway and the control room, in a temporary folder, until ctx ends.
func (d *demoCommand) Run(ctx context.Context, p Process) (err error) {
	atEnd := func(end func() error) { err = errors.Join(err, end()) }
	folder, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return err
	}
	defer atEnd(func() error { return os.RemoveAll(folder) })
	key, database := []byte(rand.Text()), filepath.Join(folder, "app.db")

	app := &sampleServer{address: d.App, open: func() (App, error) { return p.Sample(database, key) }}
	if err := app.start(); err != nil {
		return err
	}
	defer atEnd(app.stop)
	redis := startLocalRedis(folder)
	defer atEnd(redis.stop)
	levers := &Levers{parts: map[string]part{"app": app, "redis": redis}, file: filepath.Join(folder, "flags.json")}
	if err := levers.write(demoPeople); err != nil {
		return err
	}
	if err := sqlstore.Migrate(ctx, database, sqlstore.Up); err != nil {
		return err
	}
	var gateway http.Handler // there before anything is served
	room, err := p.Room(database, key, levers, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { gateway.ServeHTTP(w, r) }))
	if err != nil {
		return err
	}
	defer atEnd(room.Close)
	front := func(g *Gateway) http.Handler {
		levers.gateway, gateway = g, g.Handler()
		return room
	}
	c := d.config(database, key, levers.file)
	c.Upstream.URL = "http://" + app.address
	c.Redis.URL = config.NewSecret(redis.url)
	return runGateway(ctx, c, p.Stderr, front, announce(p.Stdout, app.address, levers.file, redis), func(context.Context, *Gateway) {})
}

func (d *demoCommand) config(database string, key []byte, flags string) config.Config {
	c := config.Default()
	c.Listen, c.Admin.Listen = d.Listen, d.Admin
	c.Store.Driver, c.Store.DSN = "sqlite", config.NewSecret(database)
	c.Auth.Key = config.NewSecret(string(key))
	c.Rollout.Flags = flags
	c.Drain = config.Drain{Grace: 0, Deadline: time.Second}
	c.Log = config.Log{Level: "error", Format: "console"}
	return c
}

func announce(out io.Writer, app, flags string, redis *localRedis) func(listeners) {
	return func(l listeners) {
		fmt.Fprintf(out, "Open      http://%s   an old and a new tab side by side, and what moves them\n", l.public.Addr())
		fmt.Fprintf(out, "The app   http://%s   without Sluice\n", app)
		fmt.Fprintf(out, "Metrics   http://%s/metrics   flags in %s   Ctrl-C stops\n", l.admin.Addr(), flags)
		fmt.Fprintf(out, "Redis     %s\n", cmp.Or(redis.url, redis.absent))
	}
}
