// Package client holds the browser side of Sluice: a script that polls for
// notifications and raises them on the page as the events it already listens to.
//
// The script is complete in itself: one script tag starts it, it asks only its
// own origin, and it works against the gateway and against the bare app, so
// the app can go on serving it when Sluice is taken out. It is built from src
// by "go run ./client/build" and committed; a test holds the two together.
package client

import (
	"bytes"
	_ "embed"
)

// version is the one place that names the client's version. The build writes
// it into the script, which sends it with every poll as Sluice-Client.
const version = "0.1.0"

//go:embed dist/client.js
var script []byte

//go:embed dist/eventsource.js
var dropIn []byte

// Script returns the polling client: minified UTF-8 JavaScript for browsers
// since ES2020, not compressed. The caller owns the returned slice.
func Script() []byte { return bytes.Clone(script) }

// DropIn returns the script that makes EventSource poll, for pages which are
// still written against it; otherwise like Script.
func DropIn() []byte { return bytes.Clone(dropIn) }

// Version returns the version that Script reports of itself.
func Version() string { return version }
