package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
)

const shadowFlags = `{"flags":{
	"notifications-transport":{"state":"ENABLED","variants":{"sse":"sse","poll":"poll"},"defaultVariant":"sse"},
	"legacy-stream":{"state":"ENABLED","variants":{"upstream":"upstream","bridge":"bridge","retired":"retired"},"defaultVariant":"upstream"}}}`

// Only a check of the shadow stands before the first user who moves.
const shadowSpec = `
apiVersion: sluice/v1alpha1
kind: Rollout
spec:
  steps:
    - analysis: {metrics: [{name: shadow-missed, interval: 2s, count: 1, minSamples: 5}]}
    - setWeight: 1
    - pause: {}
`

// shadowing is the environment of a gateway that compares everybody's stream. Without
// a cache, it knows after 10 s.
func shadowing(t *testing.T) []string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"flags.json": shadowFlags, "rollout.yaml": shadowSpec} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"SLUICE_ROLLOUT_FLAGS=" + filepath.Join(folder, "flags.json"), "SLUICE_ROLLOUT_SPEC=" + filepath.Join(folder, "rollout.yaml"),
		"SLUICE_ROLLOUT_SHADOW_RATIO=1", "SLUICE_POLL_INTERVAL=1s", "SLUICE_CACHE_STALENESS_BOUND=0",
	}
}

// watchStream is an old tab.
func (u *user) watchStream(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.base+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", u.cookie)
	resp, err := (&http.Client{Transport: u.client.Transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	go io.Copy(io.Discard, resp.Body)
}

// standing is where the rollout is, as GET /rollout and `sluice rollout status` say.
type standing struct {
	Phase, Reason string
	Weight        int
}

func (w *world) standing() (s standing) {
	w.t.Helper()
	resp, err := http.Get(w.admin + "/rollout")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// until inserts several notifications a second until the rollout stands somewhere;
// one in five is to be hidden.
func (w *world) until(what string, there func(standing) bool) {
	w.t.Helper()
	n := 0
	servertest.Within(w.t, 2*time.Minute, what, func() bool {
		if n++; n%20 == 0 {
			w.insert("alice", map[bool]string{true: "hidden", false: "fine"}[n%100 == 0])
		}
		return there(w.standing())
	})
}

// Where polls would deliver all that the stream does, the first users move.
func TestShadowLetsAHealthyGatewayPass(t *testing.T) {
	w := newWorld(t, shadowing(t)...)
	w.user("alice").watchStream(t)
	w.until("the first users move", func(s standing) bool { return s.Weight == 1 })
	if compared, missed := w.metric("sluice_shadow_compared_total"), w.metric("sluice_shadow_missed_total"); compared < 5 || missed > 0 {
		t.Errorf("%v of %v are missed", missed, compared)
	}
}

// Where the app's endpoint, which polls read, hides what its stream delivers, nobody
// moves.
func TestShadowFindsWhatIsHidden(t *testing.T) {
	w := newWorld(t)
	app := environOf(w.environ, "SLUICE_UPSTREAM_URL")
	w.sluice.Kill()
	w.environ = slices.Concat(w.environ, shadowing(t), []string{
		"SLUICE_STORE_DRIVER=upstream", "SLUICE_STORE_DSN=", "SLUICE_UPSTREAM_URL=" + hidingBefore(t, app),
	})
	w.serve()
	w.user("alice").watchStream(t)
	w.until("the rollout is aborted", func(s standing) bool { return s.Phase == "aborted" })
	if missed, compared := w.metric("sluice_shadow_missed_total"), w.metric("sluice_shadow_compared_total"); missed == 0 || missed == compared {
		t.Errorf("%v of %v are missed", missed, compared)
	}
	status := start(t, nil, "sluice", "rollout", "status", "--admin", w.admin)
	if code, text := status.Status(), status.Stdout.String(); code != 0 || !strings.Contains(text, "aborted") || !strings.Contains(text, "shadow-missed") || !strings.Contains(text, "0 % on poll") {
		t.Errorf("%d: %s", code, text)
	}
}

// hidingBefore passes requests to the app, and takes what is to be hidden out of the
// answers to polls.
func hidingBefore(t *testing.T, app string) string {
	t.Helper()
	to, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	proxy.ModifyResponse = func(resp *http.Response) error {
		if resp.Request.URL.Path != "/api/notifications" {
			return nil
		}
		var list struct {
			Notifications []map[string]any `json:"notifications"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
			return err
		}
		shown := []map[string]any{}
		for _, n := range list.Notifications {
			if n["text"] != "hidden" {
				shown = append(shown, n)
			}
		}
		body, err := json.Marshal(map[string]any{"notifications": shown})
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// environOf is the last value of a variable.
func environOf(environ []string, name string) (value string) {
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
