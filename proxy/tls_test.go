package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// edge is a gateway behind its own listener, with a certificate or without.
type edge struct {
	*rig
	url   string
	roots *x509.CertPool
	drain func()
}

// newEdge starts a gateway before an app that answers with what it was sent.
func newEdge(t *testing.T, change ...func(*config.Config)) *edge {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Trailer")
		json.NewEncoder(w).Encode(map[string]any{"header": r.Header, "target": r.RequestURI, "body": string(body)})
		w.Header().Set("X-Trailer", "at the end")
	}))
	t.Cleanup(app.Close)
	change = append(change, func(c *config.Config) {
		c.Listen, c.Admin.Listen, c.Upstream.URL, c.Drain.Grace = "127.0.0.1:0", "127.0.0.1:0", app.URL, 0
		c.Poll.Interval = time.Second
	})
	e := &edge{rig: newRig(t, change...), roots: x509.NewCertPool()}
	l, err := e.gateway.listen()
	if err != nil {
		t.Fatal(err)
	}
	e.url = "http://" + l.public.Addr().String()
	if pem := e.gateway.config.TLS.Cert.Value(); e.roots.AppendCertsFromPEM([]byte(pem)) {
		e.url = "https://" + l.public.Addr().String()
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = e.gateway.serve(ctx, l, e.gateway.Handler()) }()
	e.drain = func() { stop(); <-ended }
	t.Cleanup(e.drain)
	return e
}

func withPair(cert, key []byte) func(*config.Config) {
	return func(c *config.Config) {
		c.TLS = config.TLS{Cert: config.NewSecret(string(cert)), Key: config.NewSecret(string(key))}
	}
}

// speaking is a client that speaks one protocol and trusts the edge.
func (e *edge) speaking(choose func(*http.Protocols)) *http.Client {
	p := new(http.Protocols)
	choose(p)
	transport := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{RootCAs: e.roots}}
	e.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: tooLong}
}

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func http2(p *http.Protocols) { p.SetHTTP2(true) }
func h2c(p *http.Protocols)   { p.SetUnencryptedHTTP2(true) }

func (e *edge) send(client *http.Client, method, target, body string, headers ...string) *http.Response {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.url+target, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Cookie", "access_token="+tokenFor(e.t, "alice"))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// echoed is what the app saw of a request.
type echoed struct {
	Header       http.Header
	Target, Body string
}

// Over every protocol of the listener, polls, streams and the app's own answers are
// what they are over plain HTTP/1.1.
func TestEveryProtocol(t *testing.T) {
	pair := withPair(servertest.Certificate("sluice.test", time.Hour))
	for name, c := range map[string]struct {
		speak  func(*http.Protocols)
		pair   func(*config.Config)
		proto  string
		scheme string
	}{
		"HTTP/1.1":          {http1, func(*config.Config) {}, "HTTP/1.1", ""},
		"h2c":               {h2c, func(*config.Config) {}, "HTTP/2.0", ""},
		"HTTP/1.1 over TLS": {http1, pair, "HTTP/1.1", "https"},
		"HTTP/2 over TLS":   {http2, pair, "HTTP/2.0", "https"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, c.pair)
			client := e.speaking(c.speak)
			e.insert("alice", 0, "a")
			poll := e.send(client, http.MethodGet, "/api/notifications", "")
			var p page
			if err := json.NewDecoder(poll.Body).Decode(&p); err != nil || poll.Proto != c.proto || len(p.Notifications) != 1 {
				t.Errorf("poll: %s, %v, %v", poll.Proto, p, err)
			}
			stream := e.send(client, http.MethodGet, "/api/stream", "")
			in := bufio.NewReader(stream.Body)
			readUntil(t, in, `"id":"a"`)

			x := e.send(client, http.MethodPost, `/a%2Fb//c?q="1";x`, "upload", "X-Own: 1")
			var got echoed
			if err := json.NewDecoder(x.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, x.Body)
			if got.Target != `/a%2Fb//c?q="1";x` || got.Body != "upload" || got.Header.Get("X-Own") != "1" || x.Trailer.Get("X-Trailer") != "at the end" {
				t.Errorf("passed: %+v, trailer %v", got, x.Trailer)
			}
			if proto := got.Header.Get("X-Forwarded-Proto"); proto != c.scheme {
				t.Errorf("the app was told %q", proto)
			}
			e.drain()
			if rest, err := io.ReadAll(in); err != nil || !strings.HasSuffix(string(rest), "\n\n") {
				t.Errorf("the stream ended with %q, %v", rest, err)
			}
		})
	}
}

// A proxy in front knows better how its client came; others do not.
func TestWhoSaysHTTPS(t *testing.T) {
	pair := withPair(servertest.Certificate("sluice.test", time.Hour))
	for trusted, want := range map[string]string{"127.0.0.0/8": "http", "10.0.0.0/8": "https"} {
		e := newEdge(t, pair, func(c *config.Config) { c.TrustedProxies = []string{trusted} })
		var got echoed
		if err := json.NewDecoder(e.send(e.speaking(http1), http.MethodGet, "/x", "", "X-Forwarded-Proto: http").Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if proto := got.Header["X-Forwarded-Proto"]; len(proto) != 1 || proto[0] != want {
			t.Errorf("%s is trusted: the app was told %q", trusted, proto)
		}
	}
}

func TestOnlyTLS(t *testing.T) {
	e := newEdge(t, withPair(servertest.Certificate("sluice.test", time.Hour)))
	address := strings.TrimPrefix(e.url, "https://")
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: e.roots, MinVersion: version, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
	if x := perform(t, "http://"+address, raw("", "GET /api/notifications HTTP/1.1", "Host: x")); x.Status != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d", x.Status)
	}
	if _, err := (&http.Client{}).Get(e.url); err == nil {
		t.Error("trusted by a stranger")
	}
}

// shown is the serial number of the certificate that a new connection is shown.
func (e *edge) shown() string {
	e.t.Helper()
	u, err := url.Parse(e.url)
	if err != nil {
		e.t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// Another certificate is shown to who connects from then on; what is open stays open.
// One that does not fit its key changes nothing.
func TestCertificatesAreReloaded(t *testing.T) {
	certA, keyA := servertest.Certificate("sluice.test", time.Hour)
	certB, keyB := servertest.Certificate("sluice.test", 2*time.Hour)
	e := newEdge(t, withPair(certA, keyA))
	endsIn := func() time.Duration {
		return time.Until(time.Unix(int64(e.value("tls_certificate_not_after_timestamp_seconds")), 0)).Round(time.Hour)
	}
	stream := e.send(e.speaking(http2), http.MethodGet, "/api/stream", "")
	in := bufio.NewReader(stream.Body)
	readUntil(t, in, "retry: ")
	first := e.shown()

	cert, key := write(t, "cert.pem", string(certA)), write(t, "key.pem", string(keyA))
	follow := &reloads{e.rig, reloader{
		file:    write(t, "sluice.yaml", fmt.Sprintf("listen: 127.0.0.1:0\ntls: {cert_file: %s, key_file: %s}", cert, key)),
		environ: []string{"SLUICE_AUTH_KEY=" + testKey}, gateway: e.gateway,
	}}
	put := func(file string, content []byte) { follow.put(file, string(content)); follow.look(false) }
	put(cert, certB)
	if e.shown() != first || follow.told(refused) != 1 || !e.counts("config_last_reload_successful 0") || endsIn() != time.Hour {
		t.Errorf("a certificate without its key is not refused: %v", e.logs.All())
	}
	put(key, keyB)
	if e.shown() == first || !e.counts("config_last_reload_successful 1") || endsIn() != 2*time.Hour {
		t.Error("the new one is not shown")
	}
	put(key, []byte("no key"))
	if e.shown() == first || follow.told(refused) != 2 {
		t.Error("a bad key changes what is shown")
	}
	e.insert("alice", 0, "after")
	readUntil(t, in, `"id":"after"`)
}

// While draining, each answer asks the client to connect anew, so that no request
// comes over a connection that is about to be closed.
func TestDrainingAnswersEndTheirConnection(t *testing.T) {
	pair := withPair(servertest.Certificate("sluice.test", time.Hour))
	for name, speak := range map[string]func(*http.Protocols){"HTTP/1.1": http1, "HTTP/2": http2} {
		e := newEdge(t, pair)
		client := e.speaking(speak)
		again := func() (reused bool) {
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			io.Copy(io.Discard, resp.Body)
			return reused
		}
		again()
		if !again() {
			t.Errorf("%s: each request has a connection of its own", name)
		}
		e.gateway.draining.Store(true)
		again()
		servertest.Eventually(t, name+": a connection of its own while draining", func() bool { return !again() })
	}
}

// A change of protocol needs its own Connection field, draining or not.
func TestDrainingLeavesUpgradesAlone(t *testing.T) {
	draining := new(atomic.Bool)
	draining.Store(true)
	for status, want := range map[int]string{http.StatusOK: "close", http.StatusEarlyHints: "", http.StatusSwitchingProtocols: ""} {
		w := httptest.NewRecorder()
		(&recorder{ResponseWriter: w, last: draining}).WriteHeader(status)
		if got := w.Header().Get("Connection"); got != want {
			t.Errorf("%d: Connection: %q", status, got)
		}
	}
}
