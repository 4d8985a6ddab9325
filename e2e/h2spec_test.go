package e2e

import (
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// h2specCases is how many cases h2spec 2.2.1 has.
const h2specCases = 145

// goFails are the cases that Go's own server fails, and why that is no harm. What is not
// among them has to pass, and what passes after all has to go from here.
var goFails = map[string]struct {
	why     string
	over    string // "": everywhere
	atTimes bool   // whether it fails depends on which of two frames is first
}{
	"http2/3.5/2":     {why: "what does not begin as HTTP/2 does is HTTP/1.1 here, and is answered so", over: "h2c"},
	"http2/4.2/3":     {why: "frames of up to 1 MiB are taken, as the server's SETTINGS say; the case supposes 16 KiB"},
	"http2/5.1/6":     {why: "the answer was on its way before the second HEADERS", atTimes: true},
	"http2/5.1/9":     {why: "the answer was on its way before RST_STREAM", atTimes: true},
	"http2/5.1/12":    {why: "a stream that has ended and been forgotten is not told from one that never was", atTimes: true},
	"http2/5.4.1/1":   {why: "it is told by GOAWAY, and closed a second later", atTimes: true},
	"http2/6.5.3/1":   {why: "two values of a setting in one frame are a connection error, against floods"},
	"http2/8.1.2.2/1": {why: "a field about the connection is answered with 400, as RFC 9113, section 8.1.1, allows"},
	"http2/8.1.2.2/2": {why: "so is TE with anything but trailers"},
}

// h2spec looks at HTTP/2 frame by frame, over TLS and in plain text. Through Sluice every
// case passes that passes at Go's own server, before the same app.
func TestHTTP2Suite(t *testing.T) {
	h2spec := filepath.Join(t.TempDir(), "h2spec")
	build := exec.Command("go", "build", "-o", h2spec, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = "suites"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The cases about streams that are half closed need an answer that takes its time.
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		io.WriteString(w, strings.Repeat("x", 100_000))
	})
	behind := httptest.NewServer(app)
	t.Cleanup(behind.Close)
	cert, private := servertest.Certificate("localhost", time.Hour)
	environ := []string{"SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_AUTH_KEY=" + key, "SLUICE_UPSTREAM_URL=" + behind.URL, "SLUICE_REDIS_URL="}
	plain := start(t, environ, "sluice", "serve")
	secret := start(t, append(environ, "SLUICE_TLS_CERT="+string(cert), "SLUICE_TLS_KEY="+string(private)), "sluice", "serve")

	var all sync.WaitGroup
	for _, target := range []target{
		{t, h2spec, "Go", "h2c", bareServer(t, app, nil)},
		{t, h2spec, "Go", "tls", bareServer(t, app, pair(t, cert, private))},
		{t, h2spec, "Sluice", "h2c", plain.Logged("serving")["listen"].(string)},
		{t, h2spec, "Sluice", "tls", secret.Logged("serving")["listen"].(string)},
	} {
		all.Go(target.check)
	}
	all.Wait()
}

func pair(t *testing.T, cert, private []byte) *tls.Config {
	t.Helper()
	p, err := tls.X509KeyPair(cert, private)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{p}}
}

// bareServer is net/http alone, which speaks what Sluice's public listener does.
func bareServer(t *testing.T, app http.Handler, secret *tls.Config) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: app, Protocols: p, TLSConfig: secret, ErrorLog: log.New(io.Discard, "", 0)}
	t.Cleanup(func() { s.Close() })
	if secret == nil {
		go s.Serve(l)
	} else {
		go s.ServeTLS(l, "", "")
	}
	return l.Addr().String()
}

// target is a server that h2spec looks at.
type target struct {
	t                                 *testing.T
	h2spec, server, protocol, address string
}

// check runs all cases, and once more and with patience each that fails and should not:
// on a busy machine an answer may come too late.
func (x target) check() {
	cases := x.run(1)
	if len(cases) != h2specCases {
		x.t.Errorf("%s, %s: %d cases have run", x.server, x.protocol, len(cases))
	}
	var failed []string
	for name, c := range cases {
		known, fails := goFails[name]
		fails = fails && (known.over == "" || known.over == x.protocol)
		if !c.passed {
			failed = append(failed, name)
		}
		switch {
		case c.passed && fails && !known.atTimes:
			x.t.Errorf("%s, %s: %s (%s) passes: take it off the list", x.server, x.protocol, name, c.Title)
		case !c.passed && !fails && !x.run(10, name)[name].passed:
			x.t.Errorf("%s, %s: %s (%s) fails: %s", x.server, x.protocol, name, c.Title, c.told())
		}
	}
	slices.Sort(failed)
	x.t.Logf("%s, %s: %d of %d pass, but not %v", x.server, x.protocol, len(cases)-len(failed), len(cases), failed)
}

// outcome is what became of a case.
type outcome struct {
	Title   string  `xml:"classname,attr"`
	Error   *string `xml:"error"`
	Skipped *string `xml:"skipped"`
	passed  bool
}

func (o outcome) told() string {
	if o.Error != nil {
		return *o.Error
	}
	return "skipped"
}

// run lets h2spec wait so many seconds at most for each answer. The names of cases are
// h2spec's own, such as http2/5.1/6.
func (x target) run(patience int, names ...string) map[string]outcome {
	file := filepath.Join(x.t.TempDir(), "report.xml")
	host, port, _ := net.SplitHostPort(x.address)
	args := append([]string{"--host", host, "--port", port, "--timeout", fmt.Sprint(patience), "--junit-report", file}, names...)
	if x.protocol == "tls" {
		args = append(args, "--tls", "--insecure")
	}
	out, runErr := exec.CommandContext(x.t.Context(), x.h2spec, args...).CombinedOutput() // fails when a case does
	var report struct {
		Suites []struct {
			Package string    `xml:"package,attr"`
			Cases   []outcome `xml:"testcase"`
		} `xml:"testsuite"`
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = xml.Unmarshal(text, &report)
	}
	if err != nil {
		x.t.Errorf("%s, %s: %v, %v\n%s", x.server, x.protocol, runErr, err, out)
	}
	found := map[string]outcome{}
	for _, s := range report.Suites {
		for i, c := range s.Cases {
			c.passed = c.Error == nil && c.Skipped == nil
			name := fmt.Sprintf("%s/%d", s.Package, i+1)
			if len(names) == 1 {
				name = names[0]
			}
			found[name] = c
		}
	}
	return found
}
