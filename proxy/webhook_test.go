package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/internal/servertest"
	"sluice/proxy/config"
	"sluice/rollout/control"
)

// receiver takes what a webhook posts, in fake time.
type receiver struct {
	*webhook
	logs   *observer.ObservedLogs
	began  time.Time
	mu     sync.Mutex
	heard  []string // the version of each request, and when it came
	answer func(try int, w http.ResponseWriter, r *http.Request)
}

// newReceiver runs a webhook until the function it returns is called.
func newReceiver(answer func(try int, w http.ResponseWriter, r *http.Request)) (rec *receiver, stop func()) {
	core, logs := observer.New(zap.DebugLevel)
	rec = &receiver{webhook: newWebhook("http://receiver/SECRET", zap.New(core)), logs: logs, began: time.Now(), answer: answer}
	pipes := servertest.NewPipes()
	rec.client.Transport = &http.Transport{DialContext: pipes.Dial}
	server := &http.Server{Handler: rec}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = server.Serve(pipes) }()
	go rec.run(ctx)
	return rec, func() { cancel(); server.Close(); synctest.Wait() }
}

func (rec *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e control.Entry
	body, _ := io.ReadAll(r.Body)
	rec.mu.Lock()
	if err := json.Unmarshal(body, &e); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		rec.heard = append(rec.heard, fmt.Sprintf("%s %s: %v", r.Method, body, err))
	}
	rec.heard = append(rec.heard, fmt.Sprintf("%d after %s", e.Version, time.Since(rec.began)))
	try := len(rec.heard)
	rec.mu.Unlock()
	rec.answer(try, w, r)
}

func (rec *receiver) wants(t *testing.T, want ...string) {
	t.Helper()
	time.Sleep(time.Hour)
	synctest.Wait()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !slices.Equal(rec.heard, want) {
		t.Errorf("heard %q, want %q", rec.heard, want)
	}
	for _, line := range rec.logs.All() {
		if strings.Contains(fmt.Sprint(line.Message, line.ContextMap()), "SECRET") {
			t.Errorf("the log has the URL: %+v", line)
		}
	}
}

func TestWebhookTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, stop := newReceiver(func(try int, w http.ResponseWriter, _ *http.Request) {
			switch try {
			case 1:
				w.WriteHeader(http.StatusInternalServerError)
			case 2:
				panic(http.ErrAbortHandler)
			}
		})
		defer stop()
		rec.send(control.Entry{Version: 1})
		rec.send(control.Entry{Version: 2})
		rec.wants(t, "1 after 0s", "1 after 1s", "1 after 6s", "2 after 6s")
	})
}

// One entry that is refused for good does not hold up the others.
func TestWebhookGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, stop := newReceiver(func(try int, w http.ResponseWriter, r *http.Request) {
			if try <= 3 {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			}
		})
		defer stop()
		rec.send(control.Entry{Version: 1})
		rec.send(control.Entry{Version: 2})
		rec.wants(t, "1 after 0s", "1 after 1s", "1 after 6s", "2 after 6s")
		lines := rec.logs.All()
		if len(lines) != 1 || lines[0].ContextMap()["version"] != uint64(1) || lines[0].ContextMap()["error"] != "it answers 302 Found" {
			t.Errorf("%+v", lines)
		}
	})
}

// A receiver that hangs is left after a while, and those who send never wait.
func TestWebhookReceiverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, stop := newReceiver(func(try int, _ http.ResponseWriter, r *http.Request) {
			if try <= 3 {
				<-r.Context().Done()
			}
		})
		defer stop()
		rec.send(control.Entry{Version: 0})
		synctest.Wait() // it is on its way
		for v := range webhookQueue + 5 {
			rec.send(control.Entry{Version: uint64(v + 1)})
		}
		if passed := time.Since(rec.began); passed != 0 {
			t.Errorf("to send took %s", passed)
		}
		want := []string{"0 after 0s", "0 after 6s", "0 after 16s"} // 5 s each, and the pauses
		for v := range webhookQueue {
			want = append(want, fmt.Sprintf("%d after 21s", v+1))
		}
		rec.wants(t, want...)
		if n := rec.logs.FilterMessageSnippet("too many entries wait").Len(); n != 5 {
			t.Errorf("%d lines about what was left out", n)
		}
	})
}

// Neither a command nor the rollout waits for a receiver that hangs; what is posted
// is what the audit says.
func TestAWebhookDelaysNobody(t *testing.T) {
	t.Parallel()
	posted, hang := make(chan control.Entry, 100), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e control.Entry
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		posted <- e
		<-hang
	}))
	defer hanging.Close()
	defer close(hang)
	r := rolloutRig(t, stateIn(t), withRollout(t, "steps: [{setWeight: 30}, {pause: {}}]"), func(c *config.Config) { c.Rollout.Webhook = config.NewSecret(hanging.URL) })
	r.waitForWeight(30)
	if e := <-posted; e.Change != "phase" || e.To != "progressing" || e.Actor != "controller" {
		t.Errorf("%+v", e)
	}
	asked := time.Now()
	r.command("abort", `{"actor":"ann"}`)
	if took := time.Since(asked); took > webhookTimeout/2 || r.share() != 0 {
		t.Errorf("the command took %s", took)
	}
}
