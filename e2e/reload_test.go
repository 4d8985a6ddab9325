package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// reloaded is a gateway whose configuration, flags, keys and certificate are files.
type reloaded struct {
	*world
	dir     string
	process *servertest.Process
	roots   *x509.CertPool
}

const reloadFlags = `{"flags": {
  "notifications-transport": {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": %q},
  "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge"}, "defaultVariant": "bridge"}}}`

func newReloaded(t *testing.T) *reloaded {
	t.Helper()
	r := &reloaded{world: newWorld(t), dir: t.TempDir(), roots: x509.NewCertPool()}
	r.certificate()
	r.put("key", key)
	r.put("flags.json", fmt.Sprintf(reloadFlags, "poll"))
	r.configure("interval: 5s", "key_file: KEY")
	environ := slices.Concat(r.environ, []string{"SLUICE_AUTH_KEY=", "SLUICE_LISTEN=127.0.0.1:0", "SLUICE_LOG_LEVEL=info"})
	r.process = start(t, environ, "sluice", "serve", "--config", r.path("sluice.yaml"))
	serving := r.process.Logged("serving")
	r.url, r.admin = "https://"+serving["listen"].(string), "http://"+serving["admin"].(string)
	return r
}

func (r *reloaded) path(name string) string { return filepath.Join(r.dir, name) }

// put replaces a file in one step.
func (r *reloaded) put(name, content string) {
	r.t.Helper()
	err := os.WriteFile(r.path(name+".new"), []byte(content), 0o600)
	if err == nil {
		err = os.Rename(r.path(name+".new"), r.path(name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// certificate writes another pair, which all clients trust.
func (r *reloaded) certificate() {
	r.t.Helper()
	cert, private := servertest.Certificate("sluice.test", time.Hour)
	r.roots.AppendCertsFromPEM(cert)
	r.put("cert.pem", string(cert))
	r.put("key.pem", string(private))
}

func (r *reloaded) configure(poll, auth string) {
	r.t.Helper()
	r.put("sluice.yaml", strings.NewReplacer("KEY", r.path("key"), "DIR", r.dir).Replace(
		"poll: {"+poll+"}\nauth: {"+auth+"}\nrollout: {flags: DIR/flags.json}\ntls: {cert_file: DIR/cert.pem, key_file: DIR/key.pem}\n"))
}

// says waits until the log has said something for the nth time.
func (r *reloaded) says(text string, n int) {
	r.t.Helper()
	servertest.Eventually(r.t, fmt.Sprintf("%s (%d)", text, n), func() bool { return strings.Count(r.process.Stderr.String(), text) >= n })
}

// browser is somebody whose connections are HTTP/2, or HTTP/1.1.
func (r *reloaded) browser(name string, http2 bool) *user {
	u := r.user(name)
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	transport := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{RootCAs: r.roots}}
	r.t.Cleanup(transport.CloseIdleConnections)
	u.client = &http.Client{Transport: transport}
	return u
}

// hold reads a stream that must not end before the test does, and counts the items
// that came.
func (u *user) hold(ctx context.Context, t *testing.T, opened, items *atomic.Int64) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.base+"/api/stream", nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Cookie", u.cookie)
	resp, err := u.client.Do(req)
	if err != nil {
		t.Errorf("stream: %v", err)
		return
	}
	defer resp.Body.Close()
	opened.Add(1)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "after the last reload") {
			items.Add(1)
		}
	}
	if ctx.Err() == nil {
		t.Errorf("a stream of %s ended: %v", u.name, lines.Err())
	}
}

// Configuration, flags, keys and certificate change under load, for the better and
// for the worse: no stream ends and no poll fails.
func TestReloadUnderLoad(t *testing.T) {
	const streams, pollers = 20, 8
	r := newReloaded(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	var opened, items, polls atomic.Int64
	for i := range streams {
		u := r.browser(fmt.Sprintf("streams-%d", i), i%2 == 0)
		load.Go(func() { u.hold(ctx, t, &opened, &items) })
	}
	for i := range pollers {
		u := r.browser(fmt.Sprintf("polls-%d", i), i%2 == 0)
		load.Go(func() {
			for each(ctx, 100*time.Millisecond) {
				if err := u.poll(t); err != nil {
					t.Error(err)
					return
				}
				polls.Add(1)
			}
		})
	}
	servertest.Eventually(t, "all streams are open", func() bool { return opened.Load() == streams })

	const refused = `"configuration refused, the last good one stays"`
	r.configure("interval: 7s", "key_file: KEY")
	r.says(`"changed":"poll.interval"`, 1)
	r.configure("interval: soon", "key_file: KEY")
	r.says(refused, 1)
	r.process.Signal(syscall.SIGHUP)
	r.says(refused, 2)
	r.put("new", "another key for the app's tokens, of 32 bytes")
	r.configure("interval: 7s", "key_file: DIR/new, old_key_file: KEY")
	r.says(`"changed":"auth.key, auth.old_key"`, 1)
	r.put("flags.json", fmt.Sprintf(reloadFlags, "sse"))
	r.says(`"flag file loaded"`, 1)
	r.put("flags.json", "{")
	r.says(`"flag file refused, the last good one stays"`, 1)
	r.put("flags.json", fmt.Sprintf(reloadFlags, "poll"))
	r.says(`"flag file loaded"`, 2)
	for n := range 2 {
		r.certificate()
		r.process.Signal(syscall.SIGHUP)
		r.says(`"changed":"tls.cert, tls.key"`, n+1)
	}
	for i := range streams {
		r.insert(fmt.Sprintf("streams-%d", i), "after the last reload")
	}
	servertest.Eventually(t, "every stream has its item", func() bool { return items.Load() == streams })
	stop()
	load.Wait()
	if polls.Load() < 100 {
		t.Errorf("hardly a test: %d polls", polls.Load())
	}
	t.Logf("%d streams held, %d polls, none failed", streams, polls.Load())
}
