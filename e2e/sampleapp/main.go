// Sampleapp runs the sample app as a process of its own, so that tests can stop
// it and start it again under open pages. With -insert it only writes
// notifications into the database, which needs no app at all.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"sluice/demo"
	"sluice/e2e/appdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to serve on")
	database := flag.String("db", "", "the app's SQLite `file`")
	key := flag.String("key", "", "HS256 `secret` of the sign-in tokens")
	stream := flag.Bool("stream", true, "whether it still has its notification stream")
	insert := flag.String("insert", "", "only insert these `rows`, a JSON list")
	flag.Parse()
	run := func() error { return serve(*listen, *database, *key, *stream) }
	if *insert != "" {
		run = func() error { return insertRows(*database, *insert) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sampleapp:", err)
		os.Exit(1)
	}
}

// serve prints the app's address once it listens, and stops at SIGTERM.
func serve(listen, database, key string, stream bool) error {
	app, err := demo.New(database, []byte(key))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.Join(err, app.Close())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	server := &http.Server{Handler: routes(app, stream)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Println(l.Addr())
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return errors.Join(err, server.Close(), app.Close())
}

// routes is the app, before or after the route of its stream is removed.
func routes(app http.Handler, stream bool) http.Handler {
	if stream {
		return app
	}
	mux := http.NewServeMux()
	mux.Handle("/", app)
	mux.Handle("/api/stream", http.NotFoundHandler())
	return mux
}

func insertRows(database, list string) error {
	var rows []appdb.Row
	if err := json.Unmarshal([]byte(list), &rows); err != nil {
		return fmt.Errorf("-insert: %w", err)
	}
	db, err := appdb.Open(database)
	if err != nil {
		return err
	}
	_, err = db.Insert(rows...)
	return errors.Join(err, db.Close())
}
