package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/proxy/config"
)

// Through real proxies that hold back in different ways: each is found out, and a good
// one is not blamed.
func TestCheckStream(t *testing.T) {
	r := newRig(t, withFlags(t, "sse", "bridge"), func(c *config.Config) {
		c.Compat.Heartbeat, c.Compat.MaxDuration = time.Second, 4800*time.Millisecond
	})
	const old, ours = "/api/stream", "/api/stream?last_event_id=0" // which ends within 4.8 s
	cases := map[string]struct {
		proxy    holding
		path     string
		finds    []string
		status   int
		finished string
	}{
		"a good one":               {holding{}, old, []string{"\nok       nothing holds the stream back\n"}, 0, ""},
		"a good one, to the end":   {holding{}, ours, []string{"\nok       nothing", ", ended after "}, 0, ""},
		"holds some bytes":         {holding{bytes: 4096, header: true, server: "nginx/1.27"}, old, []string{"\nheld     no byte came in 6.", "\nadvice   nginx: proxy_buffering off"}, 1, "held back"},
		"holds a few":              {holding{bytes: 39, header: true}, old, []string{" heartbeats arrived together, after ", "\nadvice   Switch response buffering"}, 1, "held back"},
		"holds the header as well": {holding{bytes: untilEnd}, old, []string{"\n         no answer in 6.", "\nheld     nothing came for 6.", "s, not even a header\n"}, 1, "held back"},
		"holds until the end":      {holding{bytes: untilEnd, header: true}, ours, []string{"\nheld     the first byte came after ", ", directly after 0.", "\nheld     everything came with the end, after ", "heartbeats arrived together"}, 1, "held back"},
		"holds all until the end":  {holding{bytes: untilEnd}, ours, []string{"\nheld     the header came after ", ", directly after 0."}, 1, "held back"},
		"compresses":               {holding{gzips: true, header: true}, ours, []string{"\nheld     it is compressed (gzip)", "\nadvice   Do not compress"}, 1, "held back"},
		"breaks the stream off":    {holding{cuts: 2500 * time.Millisecond}, old, []string{"\nbroken   the stream broke off after ", "\nadvice   Raise the time-outs"}, 1, "could not be looked at"},
	}
	public, programs := map[string]string{}, map[string]*program{}
	for name, c := range cases { // all at once, since each takes six seconds; each is a user of its own, who may hold long streams
		public[name] = c.proxy.before(t, r.public.URL)
		programs[name] = launch(t, []string{"SLUICE_CHECK_CREDENTIALS=Cookie: access_token=" + tokenFor(t, name), "SLUICE_COMPAT_HEARTBEAT=1s"},
			"check", "--stream", public[name]+c.path, "--direct", r.public.URL+c.path, "--for", "6s")
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			public, status := public[name], <-programs[name].status
			stdout, stderr := programs[name].stdout.String(), programs[name].stderr.String()
			for _, want := range append(c.finds, "public   "+public+c.path+"\n", "\ndirect   "+r.public.URL+c.path+"\n         HTTP/1.1, header after 0.") {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q", want)
				}
			}
			if status != c.status || !strings.Contains(stderr, c.finished) || c.status == 0 && stderr != "" {
				t.Errorf("status %d, %s", status, stderr)
			}
			if t.Failed() {
				t.Log(stdout)
			}
		})
	}
}

// What is no stream is said as what it is, at once.
func TestCheckStreamWithoutAStream(t *testing.T) {
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			fmt.Fprint(w, "<html>")
		case "/moved":
			http.Redirect(w, r, "/login", http.StatusFound)
		case "/gone":
			w.WriteHeader(http.StatusNoContent)
		case "/stream":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, ": bridge\n\n")
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(answers.Close)
	down := httptest.NewServer(nil)
	down.Close()
	for path, want := range map[string]string{
		"/page":  `the answer is "text/html; charset=utf-8", no text/event-stream: is this the address of the stream?`,
		"/moved": "302 Found /login",
		"/gone":  "204 No Content: the stream is retired for this user",
		"/other": "401 Unauthorized: sign in with --credentials or SLUICE_CHECK_CREDENTIALS",
	} {
		status, stdout, stderr := execute(t, nil, "check", "--stream", answers.URL+path)
		if status != 1 || !strings.Contains(stdout, "\nbroken   "+want+"\n") || !strings.Contains(stderr, "could not be looked at") || strings.Contains(stdout, "held") {
			t.Errorf("%s: %d %s %s", path, status, stdout, stderr)
		}
	}
	if _, stdout, _ := execute(t, nil, "check", "--stream", down.URL); !strings.Contains(stdout, "\nbroken   ") || !strings.Contains(stdout, "refused") {
		t.Error(stdout)
	}
	_, stdout, _ := execute(t, nil, "check", "--stream", answers.URL+"/stream", "--direct", answers.URL+"/other")
	if want := "\nbroken   the gateway's own address has no stream that would do to compare: 401"; !strings.Contains(stdout, want) {
		t.Error(stdout)
	}
}

func TestCheckStreamCredentials(t *testing.T) {
	var got http.Header
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	t.Cleanup(app.Close)
	file := filepath.Join(t.TempDir(), "credentials")
	put := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("Cookie: access_token=a; b=c\nauthorization:Bearer x\r\n")
	execute(t, []string{"SLUICE_CHECK_CREDENTIALS=Cookie: other"}, "check", "--stream", app.URL, "--credentials", file)
	if got.Get("Cookie") != "access_token=a; b=c" || got.Get("Authorization") != "Bearer x" {
		t.Errorf("sent %v", got)
	}
	put("Cookie: a=b\naccess_token=secret\n")
	for want, args := range map[string][]string{
		file + ":2: want a line such as Cookie: NAME=VALUE or Authorization: Bearer TOKEN": {"--stream", app.URL, "--credentials", file},
		"--credentials: open /none: no such file or directory":                             {"--stream", app.URL, "--credentials", "/none"},
		"--stream: want a URL such as https://app.example/api/stream":                      {"--stream", "app.example/api/stream"},
		"--direct: want a URL such as https://app.example/api/stream":                      {"--stream", app.URL, "--direct", "ftp://x/y"},
	} {
		if status, stdout, stderr := execute(t, nil, append([]string{"check"}, args...)...); status != 1 || stdout != "" || stderr != "sluice: "+want+"\n" {
			t.Errorf("%d %q %q, want %q", status, stdout, stderr, want)
		}
	}
}

func TestAdviceByWhatIsOnTheWay(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"Server", "nginx", "nginx: "}, {"Server", "Apache/2.4", "Apache: "}, {"Server", "cloudflare", "Cloudflare: "}, {"Server", "envoy", "Envoy: "},
		{"Via", "1.1 varnish", "Varnish: "}, {"Via", "1.1 x.cloudfront.net (CloudFront)", "CloudFront: "}, {"X-Cache", "MISS", "A cache "},
		{"Content-Encoding", "br", "Do not compress "}, {"Server", "other", "Switch response buffering "},
	} {
		got := unbuffer(http.Header{c.name: {c.value}})
		if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %s gives %q", c.name, c.value, got)
		}
	}
}
