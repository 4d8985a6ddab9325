package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"sluice/backend/sqlstore"
	"sluice/proxy/config"
)

// Process is what a program gets from its surroundings, so that all of it runs
// in a test.
type Process struct {
	Args           []string // without the program's name
	Environ        []string
	Stdout, Stderr io.Writer
	Sample         SampleApp   // the app that demo puts behind the gateway
	Room           ControlRoom // what demo puts before it
}

// cli is the command line.
type cli struct {
	Serve   serveCommand   `cmd:"" help:"Run the gateway."`
	Check   checkCommand   `cmd:"" help:"Tell what is wrong with the configuration and what it points at."`
	Rollout rolloutCommand `cmd:"" help:"Move users to polling in steps."`
	Tune    tuneCommand    `cmd:"" help:"Recommend a poll interval by what Prometheus has measured."`
	Migrate migrateCommand `cmd:"" help:"Add Sluice's two indexes to the app's database, or remove them."`
	Demo    demoCommand    `cmd:"" help:"Run a sample app behind the gateway."`
}

// configFlag is shared by all commands that read the configuration.
type configFlag struct {
	Config string `placeholder:"FILE" help:"Configuration file. Without it: defaults and SLUICE_ variables."`
}

// Main runs the program and returns its exit status: 0, 1 for a failure, 2 for a
// command line that cannot be understood. It stops at SIGINT, SIGTERM or when ctx
// ends; a second signal kills.
func Main(ctx context.Context, p Process) int {
	defer runtime.KeepAlive(heapFloor())
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("sluice"),
		kong.Description("Moves browser notifications from SSE to HTTP polling, in front of the app."),
		kong.Writers(p.Stdout, p.Stderr), kong.Exit(func(status int) { exited = status }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(err) // the struct above
	}
	command, err := parser.Parse(p.Args)
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "sluice: %v\nRun sluice --help for the commands.\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(p); err != nil {
		fmt.Fprintf(p.Stderr, "sluice: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nsluice: "))
		return 1
	}
	return 0
}

// load reads the configuration and prints its warnings.
func (f configFlag) load(p Process) (config.Config, error) {
	c, warnings, err := config.Load(f.Config, p.Environ)
	for _, w := range warnings {
		fmt.Fprintf(p.Stderr, "sluice: warning: %s\n", w)
	}
	return c, err
}

type serveCommand struct {
	configFlag `embed:""`
}

// Run serves until ctx ends.
func (s *serveCommand) Run(ctx context.Context, p Process) error {
	c, err := s.load(p)
	if err != nil {
		return err
	}
	var admin net.Addr
	follow := func(running context.Context, g *Gateway) {
		above := newSupervisor(p.Environ, g.log)
		above.tell("READY=1")
		var group sync.WaitGroup
		group.Go(func() { above.stopping(ctx, running) })
		group.Go(func() { above.watch(running, answers(admin, above.every)) })
		(&reloader{file: s.Config, environ: p.Environ, gateway: g, above: above, seen: g.config, fault: fmt.Sprint(nil)}).run(running)
		group.Wait()
	}
	return runGateway(ctx, c, p.Stderr, (*Gateway).Handler, func(l listeners) { admin = l.admin.Addr() }, follow)
}

// runGateway runs one gateway from start to drain. front makes what its public
// listener serves; opened is told where it listens; beside runs until the gateway has stopped.
func runGateway(ctx context.Context, c config.Config, logs io.Writer, front func(*Gateway) http.Handler, opened func(listeners), beside func(context.Context, *Gateway)) (err error) {
	log, stopLog, err := newLogger(c.Log, logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopLog()) }()
	g, err := New(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	l, err := g.listen()
	if err != nil {
		return err
	}
	opened(l)
	besideCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { beside(besideCtx, g) })
	return g.serve(ctx, l, front(g))
}

type migrateCommand struct {
	configFlag `embed:""`
	Down       bool `help:"Remove the indexes again. Tables stay."`
}

// Run adds the indexes, or removes them.
func (m *migrateCommand) Run(ctx context.Context, p Process) error {
	c, err := m.load(p)
	if err != nil {
		return err
	}
	direction, done := sqlstore.Up, "Both indexes are in place."
	if m.Down {
		direction, done = sqlstore.Down, "Both indexes are gone."
	}
	switch c.Store.Driver {
	case "sqlite":
		err = sqlstore.Migrate(ctx, c.Store.DSN.Value(), direction)
	case "postgres":
		err = sqlstore.MigratePostgres(ctx, c.Store.DSN.Value(), direction)
	default:
		err = fmt.Errorf("store.driver: %s has no database to migrate; set it to sqlite or postgres, and store.dsn to the app's database", c.Store.Driver)
	}
	if err == nil {
		fmt.Fprintln(p.Stdout, done)
	}
	return err
}
