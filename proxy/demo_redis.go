package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// localRedis is a redis-server of the demo's own. It keeps nothing on disk, and
// is back on the same port when it is started again.
type localRedis struct {
	url    string // empty where there is none
	absent string // why

	path, folder string
	port         int
	process      *exec.Cmd     // the last that was started
	ended        chan struct{} // closed when that has ended
}

// redisPatience is for a busy machine: a server that keeps nothing is there within 50 ms.
const redisPatience = 10 * time.Second

// startLocalRedis starts a server if there is one on PATH. The demo needs none.
func startLocalRedis(folder string) *localRedis {
	r := &localRedis{folder: folder}
	var err error
	if r.path, err = exec.LookPath("redis-server"); err != nil {
		r.absent = "No redis-server on PATH: the cache is in memory."
		return r
	}
	if r.port, err = freeLoopbackPort(); err == nil {
		err = r.start()
	}
	if err != nil {
		r.absent = fmt.Sprintf("%v: the cache is in memory.", err)
		return r
	}
	r.url = fmt.Sprintf("redis://127.0.0.1:%d", r.port)
	return r
}

func freeLoopbackPort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (r *localRedis) state() (running bool, absent string) {
	if r.process == nil {
		return false, r.absent
	}
	select {
	case <-r.ended: // somebody else may have ended it
		return false, r.absent
	default:
		return true, ""
	}
}

// start returns when the server accepts connections.
func (r *localRedis) start() error {
	cmd := exec.Command(r.path, "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--dir", r.folder) //nolint:gosec // G204: what was found on PATH, as redis-server
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, ended, last := make(chan struct{}), make(chan struct{}), ""
	isReady := sync.OnceFunc(func() { close(ready) })
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			last = lines.Text()
			if strings.Contains(last, "eady to accept connections") {
				isReady()
			}
		}
		_ = cmd.Wait() // it was killed
	}()
	r.process, r.ended = cmd, ended
	select {
	case <-ready:
		return nil
	case <-ended:
		return fmt.Errorf("redis-server ended: %s", last)
	case <-time.After(redisPatience):
		return errors.Join(fmt.Errorf("redis-server was not ready within %s", redisPatience), r.stop())
	}
}

// stop kills the server, if it runs, and waits for its end.
func (r *localRedis) stop() error {
	if r.process == nil {
		return nil
	}
	err := r.process.Process.Kill()
	<-r.ended
	if errors.Is(err, os.ErrProcessDone) { // it has ended by itself, as from the same Ctrl-C
		return nil
	}
	return err
}
