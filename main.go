// Sluice moves a web app's browser notifications from Server-Sent Events to HTTP
// polling. See README.md.
package main

import (
	"context"
	"net/http"
	"os"

	"sluice/demo"
	"sluice/proxy"
)

func main() {
	os.Exit(proxy.Main(context.Background(), proxy.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		Sample: func(database string, key []byte) (proxy.App, error) { return demo.New(database, key) },
		Room: func(database string, key []byte, levers *proxy.Levers, gateway http.Handler) (proxy.App, error) {
			return demo.NewRoom(database, key, levers, gateway)
		},
	}))
}
