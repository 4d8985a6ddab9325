package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

const key = "the key of the sample app's tokens"

// process is a program that runs until the test ends, at the latest.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr servertest.Output
	exited         chan struct{}
}

func start(t *testing.T, environ []string, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(filepath.Join(bin, program), args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // the state says how
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("%s wrote:\n%s", program, p.stderr.String())
		}
	})
	return p
}

// terminate asks the process to end, as a supervisor does.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// status waits for the end.
func (p *process) status() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// running fails the test if the process has ended.
func (p *process) running() {
	p.t.Helper()
	select {
	case <-p.exited:
		p.t.Fatalf("%s has ended: %s", p.cmd.Path, p.stderr.String())
	default:
	}
}

// logged waits for a log line and returns its fields.
func (p *process) logged(message string) (fields map[string]any) {
	p.t.Helper()
	servertest.Eventually(p.t, "the log says "+message, func() bool {
		for line := range strings.Lines(p.stderr.String()) {
			fields = nil
			if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message {
				return true
			}
		}
		return false
	})
	return fields
}

// world is Sluice before the sample app, and what both of them need.
type world struct {
	t      *testing.T
	sluice *process
	url    string // of the gateway
	admin  string
	redis  *servertest.Redis
	db     *appdb.DB
}

// newWorld starts all of it; environ adds to Sluice's environment.
func newWorld(t *testing.T, environ ...string) *world {
	t.Helper()
	w := &world{t: t, redis: servertest.StartRedis(t)}
	database := filepath.Join(t.TempDir(), "app.db")
	app := start(t, nil, "sampleapp", "-db", database, "-key", key)
	servertest.Eventually(t, "the sample app says where it is", func() bool {
		app.running()
		return strings.HasSuffix(app.stdout.String(), "\n")
	})
	var err error
	if w.db, err = appdb.Open(database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	store := []string{"SLUICE_STORE_DRIVER=sqlite", "SLUICE_STORE_DSN=" + database}
	if migrate := start(t, store, "sluice", "migrate"); migrate.status() != 0 {
		t.Fatal(migrate.stderr.String())
	}
	w.sluice = start(t, slices.Concat(store, []string{
		"SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_AUTH_KEY=" + key,
		"SLUICE_UPSTREAM_URL=http://" + strings.TrimSpace(app.stdout.String()), "SLUICE_REDIS_URL=" + w.redis.URL,
	}, environ), "sluice", "serve")
	serving := w.sluice.logged("serving")
	w.url, w.admin = "http://"+serving["listen"].(string), "http://"+serving["admin"].(string)
	return w
}

// insert writes one notification behind everybody's back, and returns its id.
func (w *world) insert(user, text string) string {
	w.t.Helper()
	ids, err := w.db.Insert(appdb.Row{User: user, Level: "info", Text: text, Context: "{}"})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids[0]
}
