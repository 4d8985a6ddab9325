package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// faultyApp stands before the sample app and spoils what Sluice reads of it. The
// app's pages and its own stream pass unharmed.
type faultyApp struct {
	url   string
	fault atomic.Pointer[fault]
}

// fault is what becomes of the app's answers to GET /api/notifications.
type fault struct {
	lag  time.Duration // rows younger than this are left out, as by a replica that lags
	slow time.Duration // before each answer
	lost bool          // connections are cut off
}

// streamLimit is how long the app's own streams may last: as on a platform with a
// limit, old pages come back all the time.
const streamLimit = 10 * time.Second

func startFaultyApp(t *testing.T, app string) *faultyApp {
	t.Helper()
	f := &faultyApp{}
	f.heal()
	target := &url.URL{Scheme: "http", Host: app}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, FlushInterval: -1,
		Transport:      &http.Transport{MaxIdleConnsPerHost: 200},
		ModifyResponse: f.spoil,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/stream" {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(streamLimit))
		}
		if r.URL.Path == "/api/notifications" && f.fault.Load().lost {
			panic(http.ErrAbortHandler)
		}
		pass.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // what is cut off is meant to be
	server.Start()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	f.url = server.URL
	return f
}

func (f *faultyApp) set(to fault) { f.fault.Store(&to) }

func (f *faultyApp) heal() { f.set(fault{}) }

// spoil changes an answer as the fault says.
func (f *faultyApp) spoil(resp *http.Response) error {
	now := *f.fault.Load()
	if resp.Request.URL.Path != "/api/notifications" {
		return nil
	}
	select {
	case <-time.After(now.slow):
	case <-resp.Request.Context().Done():
	}
	if now.lag == 0 {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Notifications []map[string]any `json:"notifications"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	shown := []map[string]any{}
	for _, row := range answer.Notifications {
		created, err := time.Parse(time.DateTime, row["created_at"].(string))
		if err != nil {
			return err
		}
		if time.Since(created) >= now.lag {
			shown = append(shown, row)
		}
	}
	answer.Notifications = shown
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}
