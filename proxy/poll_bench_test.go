package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/proxy/config"
)

// The way of a poll that this process answers by itself, without net/http: credential,
// flag, limits, cursor, cache, metrics and log as in production.
func BenchmarkWarmEmptyPoll(b *testing.B) {
	poll := warmPoll(b)
	b.ReportAllocs()
	for b.Loop() {
		poll()
	}
}

// A recorder notes what is sent, the outcome has a name, and so has the user; the race detector empties
// pools now and then. More would be garbage a hundred thousand times a second.
func TestAWarmEmptyPollAllocatesLittle(t *testing.T) {
	if n := testing.AllocsPerRun(100, warmPoll(t)); n > 3 {
		t.Errorf("%v allocations", n)
	}
}

// The same for users at random, so that nothing of them is in the processor's caches when
// there are many.
func BenchmarkWarmEmptyPollOfOneOf(b *testing.B) {
	for _, users := range []int{1000, 100_000} {
		b.Run(strconv.Itoa(users), func(b *testing.B) {
			poll := warmPolls(b, users)
			for i := 0; b.Loop(); i++ {
				poll(i * 7919 % users)
			}
		})
	}
}

// warmPoll polls for a user whose place is known.
func warmPoll(tb testing.TB) func() {
	poll := warmPolls(tb, 1)
	return func() { poll(0) }
}

// warmPolls polls for one of several users.
func warmPolls(tb testing.TB, users int) func(user int) {
	tb.Helper()
	h, cookies := quietGateway(tb), make([][]string, users)
	r := httptest.NewRequest(http.MethodGet, "/api/notifications?after_id=0", nil)
	r.Header.Set("Sluice-Client", "0.1.0")
	r.Header.Set("Sluice-Elapsed", "5")
	w := &sink{header: http.Header{}}
	poll := func(user int) {
		r.Header["Cookie"] = cookies[user]
		clear(w.header)
		w.status, w.n = 0, 0
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.n != len(emptyAnswer) {
			tb.Fatal(w.status, w.n)
		}
	}
	for i := range users {
		cookies[i] = []string{"access_token=" + tokenFor(tb, fmt.Sprintf("%08d-0000-4000-8000-000000000000", i))}
		poll(i)
	}
	return poll
}

// quietGateway logs as serve does, to nowhere.
func quietGateway(tb testing.TB) http.Handler {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "app.db")
	createAppTables(tb, path)
	c := config.Default()
	c.Store.Driver, c.Store.DSN, c.Auth.Key = "sqlite", config.NewSecret(path), config.NewSecret(testKey)
	c.Cache.StalenessBound, c.Cache.AuditRatio, c.Limits.PollRate = config.Bound(time.Hour), 0, 1e9
	g, err := New(c, zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { g.Close() })
	return g.Handler()
}

// sink is a response that nobody reads.
type sink struct {
	header http.Header
	status int
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }
