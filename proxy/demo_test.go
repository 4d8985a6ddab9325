package proxy

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// visitor is a browser at the demo.
type visitor struct {
	t    *testing.T
	base string
	http.Client
}

// signIn visits as one of the sample app's users.
func signIn(t *testing.T, base, user string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t, base, http.Client{Jar: jar, Transport: &http.Transport{}}}
	t.Cleanup(v.CloseIdleConnections)
	if status, body := v.do(http.MethodPost, "/login", url.Values{"user": {user}}); status != http.StatusOK {
		t.Fatalf("sign in as %s: %d %s", user, status, body)
	}
	return v
}

func (v *visitor) do(method, target string, form url.Values) (status int, body string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+target, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range v.Jar.Cookies(req.URL) {
		if c.Name == "csrf_token" {
			req.Header.Set("X-CSRF-Token", c.Value)
		}
	}
	resp, err := v.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// stream reads the beginning of the user's stream, up to and including text.
func (v *visitor) stream(text string) string {
	v.t.Helper()
	u, err := url.Parse(v.base)
	if err != nil {
		v.t.Fatal(err)
	}
	conn := dial(v.t, v.base)
	defer conn.Close()
	lines := []string{"GET /api/stream HTTP/1.1", "Host: x"}
	for _, c := range v.Jar.Cookies(u) {
		lines = append(lines, "Cookie: "+c.String())
	}
	send(v.t, conn, raw("", lines...))
	return readUntil(v.t, bufio.NewReader(conn), text)
}

// startDemo runs the demo on free ports and reads where it says it is.
func startDemo(t *testing.T) (p *program, gateway, app, admin, flags string) {
	t.Helper()
	p = launch(t, nil, "demo", "--listen", "127.0.0.1:0", "--app", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	says := regexp.MustCompile(`Open +(http://\S+) .*\nThe app +(http://\S+) .*\nMetrics +(http://\S+)/metrics +flags in (\S+) .*\n`)
	var found []string
	servertest.Eventually(t, "the demo says where it is", func() bool {
		found = says.FindStringSubmatch(p.stdout.String())
		return found != nil
	})
	return p, found[1], found[2], found[3], found[4]
}

func TestDemo(t *testing.T) {
	p, gateway, app, admin, flags := startDemo(t)
	alice := signIn(t, gateway, "alice")
	for _, page := range []string{"/dashboard/old", "/dashboard/new", "/_sluice/client.js"} {
		if status, body := alice.do(http.MethodGet, page, nil); status != http.StatusOK || len(body) < 500 {
			t.Errorf("%s: %d %s", page, status, body)
		}
	}
	if status, body := alice.do(http.MethodPost, "/jobs", url.Values{"text": {"the job is done"}}); status != http.StatusAccepted {
		t.Fatalf("start a job: %d %s", status, body)
	}
	servertest.Eventually(t, "a poll brings what the job said", func() bool {
		status, body := alice.do(http.MethodGet, "/api/notifications", nil)
		return status == http.StatusOK && strings.Contains(body, "the job is done") && strings.Contains(body, `"cursor":`)
	})
	if status, body := signIn(t, app, "alice").do(http.MethodGet, "/api/notifications", nil); status != 200 || strings.Contains(body, "cursor") {
		t.Errorf("the app, without Sluice: %d %s", status, body)
	}
	if reply := fetch(t, admin+"/metrics", ""); !strings.Contains(reply.body, `sluice_polls_total{client="native",result="items"}`) {
		t.Errorf("metrics: %s", reply.body)
	}
	if status := p.stopped(); status != 0 || p.stderr.String() != "" {
		t.Errorf("ended with %d: %s", status, p.stderr.String())
	}
	if _, err := os.Stat(flags); !os.IsNotExist(err) {
		t.Errorf("its folder is left behind: %v", err)
	}
}

// Each of the three is on the side that the demo says.
func TestDemoUsers(t *testing.T) {
	p, gateway, _, _, _ := startDemo(t)
	for user, c := range map[string]struct {
		cursor bool
		stream string
	}{"alice": {true, ": bridge"}, "bob": {false, ": heartbeat"}, "carol": {false, ": bridge"}} {
		v := signIn(t, gateway, user)
		if _, body := v.do(http.MethodGet, "/api/notifications", nil); strings.Contains(body, "cursor") != c.cursor {
			t.Errorf("%s polls: %s", user, body)
		}
		if got := v.stream(c.stream); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("%s: %s", user, got)
		}
	}
	if status := p.stopped(); status != 0 {
		t.Errorf("ended with %d: %s", status, p.stderr.String())
	}
}
