package chaos

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sluice/e2e/appdb"
	"sluice/internal/servertest"
)

// reach is how many rows the app's own endpoint shows.
const reach = 100

// appWorld is one gateway that asks the sample app itself.
type appWorld struct {
	world
	db   *appdb.DB
	http *http.Client
}

func newAppWorld(t *testing.T, environ ...string) *appWorld {
	t.Helper()
	file, redis := filepath.Join(t.TempDir(), "app.db"), servertest.StartRedis(t)
	app := servertest.StartProcess(t, nil, filepath.Join(bin, "sampleapp"), "-db", file, "-key", key)
	g := &gateway{t: t, address: freeAddress(t), admin: freeAddress(t)}
	w := &appWorld{world: world{gateways: []*gateway{g}, books: newBooks()}}
	g.environ = append([]string{
		"SLUICE_LISTEN=" + g.address, "SLUICE_ADMIN_LISTEN=" + g.admin, "SLUICE_AUTH_KEY=" + key, "SLUICE_LOG_LEVEL=warn",
		"SLUICE_UPSTREAM_URL=http://" + app.Line(), "SLUICE_REDIS_URL=" + redis.URL,
	}, environ...)
	g.start()
	var err error
	if w.db, err = appdb.Open(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	t.Cleanup(transport.CloseIdleConnections)
	w.http = &http.Client{Transport: transport, Timeout: time.Minute}
	return w
}

// visitor is a reader who may lose its place.
func (w *appWorld) visitor(t *testing.T, user string) *reader {
	r := w.newReader(t, user, w.http, few)
	r.mayLose = true
	return r
}

// add writes n rows, created so long ago, and notes their ids.
func (w *appWorld) add(t *testing.T, user string, n int, age time.Duration, into map[string]bool) {
	t.Helper()
	rows := make([]appdb.Row, n)
	for i := range rows {
		rows[i] = appdb.Row{User: user, Level: "info", Text: user, Context: "{}", Age: age}
	}
	ids, err := w.db.Insert(rows...)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		into[id] = true
	}
}

// gaps is how many answers the gateway counts in which a place was lost.
func (w *appWorld) gaps(t *testing.T) int {
	t.Helper()
	return int(w.gateways[0].metric(t, `sluice_cursor_checks_total{result="gap"}`))
}

// A gateway that asks the app sees its newest 100 rows. As long as no more are new
// between two reads nothing is lost, however fast they come.
func TestBurstOverTheApp(t *testing.T) {
	w := newAppWorld(t)
	stop, written := make(chan struct{}), map[string]map[string]bool{}
	var all []*reader
	var polling sync.WaitGroup
	for i := range 3 {
		r := w.visitor(t, fmt.Sprintf("user-%d", i))
		all, written[r.user] = append(all, r), map[string]bool{}
		polling.Go(func() { r.run(stop) })
		servertest.Eventually(t, "the user has a place", r.placed)
	}
	began := time.Now()
	for i := range reach {
		for _, r := range all {
			w.add(t, r.user, 1, 0, written[r.user])
		}
		time.Sleep(time.Until(began.Add(time.Duration(i) * 10 * time.Millisecond))) // a hundred in a second
	}
	took := time.Since(began)
	for _, r := range all {
		servertest.Eventually(t, r.user+" has everything", func() bool { return r.missing(written[r.user]) == 0 })
	}
	close(stop)
	polling.Wait()
	for _, r := range all {
		if len(r.seen) != reach {
			t.Errorf("%s has seen %d", r.user, len(r.seen))
		}
	}
	t.Logf("figure: driver upstream, %d rows for each of %d polling users in %s | all delivered", reach, len(all), ms(took))
}

// When more are new than the app shows, the answer says so, and it is counted.
func TestGapsOverTheAppAreNeverSilent(t *testing.T) {
	w := newAppWorld(t, "SLUICE_CACHE_STALENESS_BOUND=200ms")
	for _, before := range []int{0, 1} {
		for _, n := range []int{reach - 2, reach, reach + 1, 3 * reach} {
			t.Run(fmt.Sprintf("%d new after %d", n, before), func(t *testing.T) {
				r, written := w.visitor(t, "user of "+t.Name()), map[string]bool{}
				w.add(t, r.user, before, 5*time.Second, written)
				r.drain()
				lost, gaps := r.lost, w.gaps(t)
				w.add(t, r.user, n, 0, written)
				servertest.Eventually(t, "the user sees something new", func() bool { r.drain(); return len(r.seen) > before })
				missing := r.missing(written)
				if missing != max(0, n-reach) {
					t.Errorf("%d are missing", missing)
				}
				lost, gaps = r.lost-lost, w.gaps(t)-gaps
				if gaps != lost || missing > 0 && lost == 0 || n < reach-1 && lost > 0 {
					t.Errorf("reset %d times, counted %d; %d are missing", lost, gaps, missing)
				}
			})
		}
	}
}

// drain polls until there is no more.
func (r *reader) drain() {
	for r.poll() {
	}
}
