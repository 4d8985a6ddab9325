package servertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a PostgreSQL server of a test's own. Its superuser is postgres,
// without a password. Databases sort text as en-US does (ICU), unlike bytes.
type Postgres struct {
	Port      int
	dir       string
	binaries  string
	account   *syscall.Credential // nil: the test's own
	cmd       *exec.Cmd
	ended     chan struct{} // closed when cmd has ended
	databases atomic.Int64
}

// StartPostgres starts a server that ends with the test.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p, err := newPostgres()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.remove)
	p.Start(t)
	return p
}

var shared struct {
	once   sync.Once
	server *Postgres
	err    error
}

// SharedPostgres is one server for all tests of a package, each of which takes a
// NewDatabase. The package's TestMain must call StopShared.
func SharedPostgres(t testing.TB) *Postgres {
	t.Helper()
	shared.once.Do(func() {
		if shared.server, shared.err = newPostgres(); shared.err == nil {
			shared.err = shared.server.start()
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// StopShared ends the server of SharedPostgres, if there is one.
func StopShared() {
	if shared.server != nil {
		shared.server.remove()
	}
}

// newPostgres makes an empty cluster. It is not below t.TempDir, which only the
// test's own user can enter.
func newPostgres() (*Postgres, error) {
	p := &Postgres{}
	var err error
	if p.binaries, err = findPostgres(); err != nil {
		return nil, err
	}
	if p.account, err = unprivileged(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "sluice-postgres-"); err != nil {
		return nil, err
	}
	if p.account != nil {
		if err := os.Chown(p.dir, int(p.account.Uid), int(p.account.Gid)); err != nil {
			return nil, err
		}
	}
	out, err := p.command("initdb", "-D", p.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US").CombinedOutput()
	if err != nil {
		p.remove()
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p.Port, err = freePort()
	return p, err
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.binaries, name), args...)
	cmd.Dir = p.dir
	// The server must not outlive a test that crashes.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// Start starts the server, again after Kill or Stop, and waits until it answers.
func (p *Postgres) Start(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

func (p *Postgres) start() error {
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if p.cmd == nil || p.exited() { // the memory of a killed server may still be in use
			if err := p.launch(log); err != nil {
				return err
			}
		}
		if p.answers() {
			return nil
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("postgres does not answer within %s:\n%s", Patience, text)
}

func (p *Postgres) launch(log *os.File) error {
	p.cmd = p.command("postgres", "-D", p.data(), "-p", strconv.Itoa(p.Port), "-k", p.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "synchronous_commit=off", "-c", "max_wal_size=4GB", "-c", "shared_buffers=256MB")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := p.cmd, make(chan struct{})
	p.ended = ended
	go func() { defer close(ended); _ = cmd.Wait() }()
	return nil
}

func (p *Postgres) exited() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *Postgres) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return false
	}
	return c.Close(ctx) == nil
}

// URL is the address of one of the server's databases.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", p.Port, url.PathEscape(database))
}

// NewDatabase makes an empty database that is dropped after the test, and
// returns its URL. options go into CREATE DATABASE.
func (p *Postgres) NewDatabase(t testing.TB, options ...string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", p.databases.Add(1))
	p.exec(t, "CREATE DATABASE "+name+" "+strings.Join(options, " "))
	t.Cleanup(func() {
		if !p.exited() {
			p.exec(t, "DROP DATABASE "+name+" WITH (FORCE)")
		}
	})
	return p.URL(name)
}

func (p *Postgres) exec(t testing.TB, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Kill ends the server at once, as a crash would.
func (p *Postgres) Kill() {
	if p.cmd == nil || p.exited() {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// Stop ends the server in good order, but does not wait for clients to leave.
func (p *Postgres) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	<-p.ended
}

// Freeze stops the server without closing its connections: it hangs.
func (p *Postgres) Freeze() { p.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (p *Postgres) Thaw() { p.signal(syscall.SIGCONT) }

// Standby lets the server, which must be stopped, start as a replica that has
// lost its primary: it can be read, but is in recovery.
func (p *Postgres) Standby(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.data(), "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// signal reaches the server and the processes that serve its connections, which
// are in groups of their own. The server goes first, so that no more come.
func (p *Postgres) signal(s syscall.Signal) {
	pid := p.cmd.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_ = p.cmd.Process.Signal(s)
	if s == syscall.SIGSTOP {
		children, _ = os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, s)
		}
	}
}

func (p *Postgres) remove() {
	p.Kill()
	_ = os.RemoveAll(p.dir)
}

// findPostgres is the folder with the server's programs, which Debian keeps off PATH.
func findPostgres() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err == nil && len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
		return filepath.Dir(found[len(found)-1]), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("PostgreSQL's initdb is not installed; ./scripts/test installs it")
}

// unprivileged is the account for programs that refuse to run as root; nil when
// the test does not.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
	}
	return nil, errors.New("no account to run PostgreSQL as: it refuses root")
}
