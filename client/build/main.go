// Command build writes the browser script, client/dist/client.js, from its
// source. Run it at the root of the project: go run ./client/build
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"sluice/client"
	"sluice/client/internal/bundle"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", "client", "folder of the client")
	modules := flag.String("modules", "", "write the script and its single modules for tests to this folder instead of dist")
	flag.Parse()
	if err := build(*dir, *modules); err != nil {
		log.Fatal(err)
	}
}

func build(dir, modules string) error {
	src, out := filepath.Join(dir, "src"), filepath.Join(dir, "dist")
	if modules != "" {
		out = modules
		if err := bundle.Modules(src, out, client.Version()); err != nil {
			return err
		}
	}
	script, err := bundle.Script(src, client.Version())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "client.js"), script, 0o644)
}
