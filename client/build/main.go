// Command build writes the browser scripts in client/dist from their source. Run it at the root of the project: go run ./client/build
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
	modules := flag.String("modules", "", "write the scripts and their single modules for tests to this folder instead of dist")
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
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, name := range bundle.Scripts {
		script, err := bundle.Script(src, name, client.Version())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name+".js"), script, 0o644); err != nil {
			return err
		}
	}
	return nil
}
