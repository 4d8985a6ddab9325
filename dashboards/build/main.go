// Command build writes dashboards/grafana/*.json. Run it at the root of the project: go run ./dashboards/build
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"sluice/dashboards"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", filepath.Join("dashboards", "grafana"), "folder to write to")
	flag.Parse()
	files, err := dashboards.Files()
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*dir, name), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
