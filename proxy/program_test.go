package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/demo"
	"sluice/internal/servertest"
)

// program is Main as a process would run it.
type program struct {
	t              *testing.T
	stdout, stderr servertest.Output
	ctx            context.Context
	stop           context.CancelFunc
	status         chan int
}

// launch starts the program with an environment of key=value.
func launch(t *testing.T, environ []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, status: make(chan int, 1)}
	p.ctx, p.stop = context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() { // whatever it has started ends with it
		p.stop()
		<-ended
	})
	go func() {
		defer close(ended)
		p.status <- Main(p.ctx, Process{
			Args: args, Environ: environ, Stdout: &p.stdout, Stderr: &p.stderr,
			Sample: func(database string, key []byte) (App, error) { return demo.New(database, key) },
			Room: func(database string, key []byte, levers *Levers, gateway http.Handler) (App, error) {
				return demo.NewRoom(database, key, levers, gateway)
			},
		})
	}()
	return p
}

// execute runs the program to its end.
func execute(t *testing.T, environ []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := launch(t, environ, args...)
	return <-p.status, p.stdout.String(), p.stderr.String()
}

// stopped ends the program and returns its exit status.
func (p *program) stopped() int {
	p.stop()
	return <-p.status
}

// started waits for a gateway and returns the URLs of its two listeners.
func (p *program) started() (public, admin string) {
	p.t.Helper()
	servertest.Eventually(p.t, "the gateway serves", func() bool {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct{ Msg, Listen, Admin string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
				public, admin = "http://"+entry.Listen, "http://"+entry.Admin
				return true
			}
		}
		if len(p.status) > 0 {
			p.t.Fatalf("it has ended: %s", p.stderr.String())
		}
		return false
	})
	return public, admin
}

func write(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// anyPorts is an environment that serves, with everything at its default.
func anyPorts(more ...string) []string {
	return append([]string{"SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_AUTH_KEY=" + testKey, "SLUICE_DRAIN_GRACE=0s"}, more...)
}
