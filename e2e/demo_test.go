package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"sluice/internal/servertest"
)

// demo is `sluice demo` on free ports, with a temporary folder to itself.
type demo struct {
	*servertest.Process
	t          *testing.T
	url, redis string // redis is host:port
	temporary  string
}

func startDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{t: t, temporary: t.TempDir()}
	d.Process = start(t, []string{"TMPDIR=" + d.temporary}, "sluice", "demo",
		"--listen", "127.0.0.1:0", "--app", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	says := regexp.MustCompile(`(?s)^Open +(http://\S+).*\nRedis +redis://(\S+)\n`)
	servertest.Eventually(t, "the demo says where it is", func() bool {
		d.Running()
		found := says.FindStringSubmatch(d.Stdout.String())
		if found != nil {
			d.url, d.redis = found[1], found[2]
		}
		return found != nil
	})
	return d
}

// browser is alice's.
func (d *demo) browser() *http.Client {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	d.t.Cleanup(client.CloseIdleConnections)
	d.post(client, "/_demo/person", "user=alice")
	return client
}

func (d *demo) post(client *http.Client, path, form string) {
	d.t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := client.PostForm(d.url+path, values)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		d.t.Fatalf("%s %s: %d %s", path, form, resp.StatusCode, body)
	}
}

func (d *demo) get(client *http.Client, path string) string {
	d.t.Helper()
	resp, err := client.Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(body)
}

func (d *demo) askRedis(ask func(context.Context, *redis.Client)) {
	client := redis.NewClient(&redis.Options{Addr: d.redis, MaxRetries: -1})
	defer client.Close()
	ask(d.t.Context(), client)
}

// However the demo ends, its Redis has ended with it, and its folder is gone.
func TestDemoLeavesNothingBehind(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*demo)
		signal syscall.Signal
	}{
		"a supervisor ends it": {func(*demo) {}, syscall.SIGTERM},
		"somebody ends it":     {func(*demo) {}, syscall.SIGINT},
		"Ctrl-C, which reaches Redis as well": {func(d *demo) {
			d.askRedis(func(ctx context.Context, r *redis.Client) { r.ShutdownNoSave(ctx) })
			b := d.browser()
			servertest.Eventually(d.t, "the demo has noticed", func() bool {
				return strings.Contains(d.get(b, "/_demo/state?after=0"), `"redis":{"running":false}`)
			})
		}, syscall.SIGINT},
		"while Redis is stopped": {func(d *demo) { d.post(d.browser(), "/_demo/parts", "part=redis&to=stopped") }, syscall.SIGINT},
		"after Redis was started again": {func(d *demo) {
			b := d.browser()
			d.post(b, "/_demo/parts", "part=redis&to=stopped")
			d.post(b, "/_demo/parts", "part=redis&to=running")
			d.askRedis(func(ctx context.Context, r *redis.Client) {
				if err := r.Ping(ctx).Err(); err != nil {
					d.t.Errorf("it is not back on its port: %v", err)
				}
			})
		}, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t)
			c.before(d)
			d.Signal(c.signal)
			if status := d.Status(); status != 0 || d.Stderr.String() != "" {
				t.Errorf("exit status %d: %s", status, d.Stderr.String())
			}
			if conn, err := net.Dial("tcp", d.redis); err == nil {
				conn.Close()
				t.Error("Redis still listens")
			}
			left, err := os.ReadDir(d.temporary)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}
