package proxy

import (
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

// App is a running sample app.
type App interface {
	http.Handler
	io.Closer
}

// demoFlags puts each user of the sample app on a different side of the move.
const demoFlags = `{"flags": {
  "notifications-transport": {
    "state": "ENABLED",
    "variants": {"sse": "sse", "poll": "poll"},
    "defaultVariant": "sse",
    "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["alice"]]}, "poll", "sse"]}
  },
  "legacy-stream": {
    "state": "ENABLED",
    "variants": {"upstream": "upstream", "bridge": "bridge", "retired": "retired"},
    "defaultVariant": "bridge",
    "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["bob"]]}, "upstream", "bridge"]}
  }
}}
`

type demoCommand struct {
	Listen string `default:"127.0.0.1:8080" help:"Address of the gateway."`
	App    string `default:"127.0.0.1:8000" help:"Address of the sample app."`
	Admin  string `default:"127.0.0.1:8081" help:"Address of the admin listener."`
}

// Run serves the sample app and the gateway in front of it, in a temporary
// folder, until ctx ends.
func (d *demoCommand) Run(ctx context.Context, p Process) (err error) {
	folder, err := os.MkdirTemp("", "sluice-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	key := []byte(rand.Text())
	database := filepath.Join(folder, "app.db")
	stop, err := d.startApp(p.Sample, database, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c, err := d.config(folder, database, key)
	if err != nil {
		return err
	}
	if err := sqlstore.Migrate(ctx, database, sqlstore.Up); err != nil {
		return err
	}
	return runGateway(ctx, c, p.Stderr, d.announce(p.Stdout, c.Rollout.Flags))
}

// startApp serves the sample app on its own port, as an app of one's own would run.
func (d *demoCommand) startApp(sample SampleApp, database string, key []byte) (stop func() error, err error) {
	l, err := bind("--app", d.App)
	if err != nil {
		return nil, err
	}
	d.App = l.Addr().String()
	app, err := sample(database, key)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: app, ReadHeaderTimeout: slowHeader}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	return func() error {
		err := errors.Join(app.Close(), server.Close())
		if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

func (d *demoCommand) config(folder, database string, key []byte) (config.Config, error) {
	flags := filepath.Join(folder, "flags.json")
	if err := os.WriteFile(flags, []byte(demoFlags), 0o600); err != nil {
		return config.Config{}, err
	}
	c := config.Default()
	c.Listen, c.Admin.Listen = d.Listen, d.Admin
	c.Upstream.URL = "http://" + d.App
	c.Store.Driver, c.Store.DSN = "sqlite", config.NewSecret(database)
	c.Auth.Key = config.NewSecret(string(key))
	c.Rollout.Flags = flags
	c.Drain = config.Drain{Grace: 0, Deadline: 5 * time.Second}
	c.Log = config.Log{Level: "error", Format: "console"}
	return c, nil
}

func (d *demoCommand) announce(out io.Writer, flags string) func(listeners) {
	return func(l listeners) {
		fmt.Fprintf(out, "Open      http://%s   sign in as alice (polls), bob (the app's stream) or carol (the bridge)\n", l.public.Addr())
		fmt.Fprintf(out, "The app   http://%s   without Sluice\n", d.App)
		fmt.Fprintf(out, "Metrics   http://%s/metrics   flags in %s   Ctrl-C stops\n", l.admin.Addr(), flags)
	}
}
