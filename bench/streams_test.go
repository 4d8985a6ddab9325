package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/bench/lab"
	"sluice/internal/servertest"
)

// streaming is a server that holds streams, and how one tells all who listen.
type streaming struct {
	node
	publish func(t testing.TB, text string)
}

// streamers are the servers to compare; what each runs is still to be said.
func (a *app) streamers() []lab.Contender {
	return []lab.Contender{
		{Name: "net/http", What: "a bare handler that waits on a channel, which a POST fills for all"},
		{Name: "nchan", What: "one nginx worker, one channel"},
		{Name: "Sluice", What: "bridged streams of old pages, each of a user of its own, from an SQLite file"},
	}
}

func (a *app) stream(t testing.TB, name string) streaming {
	t.Helper()
	var s node
	switch name {
	case "net/http":
		s = peer(t, lab.ServerCore, "stream")
	case "nchan":
		s = nchan(t)
	default:
		return streaming{a.serve(t), a.tellAll}
	}
	return streaming{s, func(t testing.TB, text string) {
		resp, err := http.Post(s.url+"/publish", "text/plain", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}}
}

// nchan is nginx with one channel.
func nchan(t testing.TB) node {
	t.Helper()
	folder, listen := t.TempDir(), address(t)
	config := filepath.Join(folder, "nginx.conf")
	text := fmt.Sprintf(`load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 16000; }
http {
	access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s;
		location /api/stream { nchan_subscriber eventsource; nchan_channel_id all; }
		location /api/notifications { nchan_subscriber intervalpoll; nchan_channel_id all; }
		location /publish { nchan_publisher; nchan_channel_id all; }
		location / { return 204; }
	}
}
`, folder, listen)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := node{Process: lab.Start(t, lab.ServerCore, nil, "nginx", "-c", config), url: "http://" + listen}
	lab.Answers(t, s.url)
	return s
}

// tellAll adds an item for each user, in one transaction.
func (a *app) tellAll(t testing.TB, text string) {
	t.Helper()
	a.must(t, `WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i + 1 < $1)
		INSERT INTO notifications(id, user_id, level, title, text, created_at)
		SELECT lower(hex(randomblob(16))), 'user-' || i, 'info', 'T', $2, datetime('now') FROM g`, a.users, text)
}

// tell adds one for a user.
func (a *app) tell(t testing.TB, user int, text string) {
	t.Helper()
	a.must(t, `INSERT INTO notifications(id, user_id, level, title, text, created_at)
		VALUES (lower(hex(randomblob(16))), 'user-' || $1, 'info', 'T', $2, datetime('now'))`, user, text)
}

// request opens the stream of a user.
func (a *app) request(t testing.TB) func(int) (target, cookie string) {
	t.Helper()
	cookies := make([]string, a.users)
	for i := range cookies {
		cookies[i] = cookie(t, "user-"+strconv.Itoa(i))
	}
	return func(i int) (string, string) { return "/api/stream", cookies[i] }
}

// needNchan skips the test if nchan is missing, which ./bench/run installs.
func needNchan(t testing.TB) {
	t.Helper()
	lab.Need(t, "taskset", "nginx")
	if _, err := os.Stat("/usr/lib/nginx/modules/ngx_nchan_module.so"); err != nil {
		t.Skip("nchan is not installed; ./bench/run installs it")
	}
}

const streamCosts = "of net/http's own 26 KiB nothing can be spared without hijacking; what Sluice adds is 2 KiB of stack, 3 of what it knows of user and stream, and 3 of gaps between what is kept, which the reads at the beginning have left"

// Memory of a process that holds streams, for each of them.
func TestHeldStreams(t *testing.T) {
	needNchan(t)
	const each, cpu = "KiB each", "CPU s to open 10,000"
	silence := time.Duration(lab.Pick(10, 10, 0)) * time.Second // some give memory back after a while
	a := newApp(t, lab.Pick(10_000, 2000, 50))
	request := a.request(t)
	contenders := a.streamers()
	for i, c := range contenders {
		contenders[i].Run = func(t testing.TB) lab.Figures {
			s := a.stream(t, c.Name)
			defer s.Kill()
			before := lab.RSS(t, s.PID())
			h := hold(t, s.node, a.users, request, nil)
			defer h.release(t)
			time.Sleep(silence) // what is measured is that nothing happens
			return lab.Figures{
				each: float64(lab.RSS(t, s.PID())-before) / 1024 / float64(a.users),
				cpu:  lab.CPU(t, s.PID()).Seconds() * 10_000 / float64(a.users),
			}
		}
	}
	lab.Record(t, lab.Experiment{
		Title: "Held streams", Method: fmt.Sprintf("%d streams; resident memory after %s of silence, less that before.", a.users, silence),
		Columns: []string{each, cpu}, Measured: lab.Interleave(t, contenders...),
		Rows: []lab.Row{
			{
				Work: "Memory of a held stream", Figure: each, Of: "Sluice", Against: "net/http", AtMost: 1.1,
				Why: streamCosts,
			},
			{Work: "Memory of a held stream, Mercure 0.21 (35.3) and Centrifuge 0.40 (40.3) being below", Figure: each, Of: "Sluice", AtMost: 35.3, Why: streamCosts},
		},
	})
}

// How long what is new takes to a held stream.
func TestDelivery(t *testing.T) {
	needNchan(t)
	const rate, allP50, allP99 = 100, "p50 ms, all at once", "p99 ms, all at once"
	a := newApp(t, lab.Pick(2000, 2000, 50))
	request := a.request(t)
	contenders := a.streamers()
	for i, c := range contenders {
		contenders[i].Run = func(t testing.TB) lab.Figures {
			s := a.stream(t, c.Name)
			defer s.Kill()
			d := deliveries{seen: map[int64]int{}}
			h := hold(t, s.node, a.users, request, d.heard)
			defer h.release(t)
			f := lab.Figures{}
			f[allP50], f[allP99] = d.of(t, 1, a.users, func() { s.publish(t, stamp()) })
			if c.Name == "Sluice" {
				n := int(rate * lab.Measuring().Run.Seconds())
				f[lab.P50], f[lab.P99] = d.of(t, n, 1, func() {
					for start, i := time.Now(), 0; i < n; i++ {
						time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / rate)))
						a.tell(t, rand.IntN(a.users), stamp())
					}
				})
			}
			return f
		}
	}
	lab.Record(t, lab.Experiment{
		Title: "Delivery over held streams", Method: fmt.Sprintf("%d streams of as many users, from before the item is written until its stream has it: %d items a second, each for somebody; and one for each of all users in one transaction, for others one message for all.", a.users, rate),
		Columns: []string{lab.P99, lab.P50, allP50, allP99}, Measured: lab.Interleave(t, contenders...),
		Rows: []lab.Row{{Work: "Delivery over a held stream: the period of the tail (250 ms) and 50 ms", Figure: lab.P99, Of: "Sluice", AtMost: 300}},
	})
}

// deliveries are how long items took that say when they were written.
type deliveries struct {
	mu     sync.Mutex
	from   int64         // what was written before does not count: streams begin with old items
	copies int           // of each; more are repeats
	seen   map[int64]int // by when they were written
	took   []time.Duration
}

// stamp is a text that says when it was written.
func stamp() string { return fmt.Sprintf("sent=%d;", time.Now().UnixNano()) }

func (d *deliveries) heard(line []byte, at time.Time) {
	_, rest, found := bytes.Cut(line, []byte("sent="))
	text, _, _ := bytes.Cut(rest, []byte(";"))
	if sent, err := strconv.ParseInt(string(text), 10, 64); found && err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.seen[sent]++; sent >= d.from && d.seen[sent] <= d.copies {
			d.took = append(d.took, at.Sub(time.Unix(0, sent)))
		}
	}
}

// of writes n items of so many copies each, waits until all have come, and returns how long that took.
func (d *deliveries) of(t testing.TB, n, copies int, write func()) (p50, p99 float64) {
	t.Helper()
	d.mu.Lock()
	d.from, d.copies, d.seen, d.took = time.Now().UnixNano(), copies, map[int64]int{}, nil
	d.mu.Unlock()
	write()
	servertest.Eventually(t, "everything has been delivered", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.took) >= n*copies
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.took)
	return lab.Quantile(d.took, 0.5).Seconds() * 1e3, lab.Quantile(d.took, 0.99).Seconds() * 1e3
}
