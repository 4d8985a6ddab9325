package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/proxy/config"
)

// arrived is what the app saw of a request, or what Sluice answered instead.
func arrived(t *testing.T, r *rig, lines ...string) (http.Header, exchange) {
	t.Helper()
	x := perform(t, r.public.URL, raw("", append([]string{"GET /x HTTP/1.1", "Host: app.test"}, lines...)...))
	var seen struct{ Header http.Header }
	if err := json.Unmarshal([]byte(x.Body), &seen); err != nil {
		t.Fatalf("%v: %s", err, x.Body)
	}
	return seen.Header, x
}

// echoAll answers with the request's header as it is.
func echoAll(w http.ResponseWriter, r *http.Request) {
	json.NewEncoder(w).Encode(map[string]any{"header": r.Header})
}

// A client cannot make a field disappear on its way to the app by calling it a
// matter of the connection; what is one does disappear.
func TestConnectionHidesNothing(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(echoAll))
	h, _ := arrived(t, r, "Connection: Cookie, x-forwarded-host,X-A, Keep-Alive , Te, close", "Cookie: a=1", "X-Forwarded-Host: h", "X-A: 1", "X-A: 2",
		"Keep-Alive: 5", "Te: gzip", "Proxy-Authorization: Basic x", "Proxy-Connection: close")
	if h.Get("Cookie") != "a=1" || h.Get("X-Forwarded-Host") != "h" || len(h["X-A"]) != 2 {
		t.Errorf("hidden from the app: %v", h)
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Proxy-Authorization", "Proxy-Connection"} {
		if h.Get(name) != "" {
			t.Errorf("the app got %s: %s", name, h.Get(name))
		}
	}
}

// Over h2c, requests would reach the app that Sluice does not see.
func TestNoUpgradeToH2C(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(echoAll))
	for _, upgrade := range []string{"h2c", "H2C", "websocket, h2c", "h2c, websocket"} {
		h, x := arrived(t, r, "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+upgrade, "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
		if x.Status != http.StatusOK || h.Get("Upgrade") != "" || h.Get("Http2-Settings") != "" || h.Get("Connection") != "" {
			t.Errorf("%s: %d, the app got %v", upgrade, x.Status, h)
		}
	}
	if h, _ := arrived(t, r, "Connection: Upgrade", "Upgrade: websocket"); h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" {
		t.Errorf("websocket: the app got %v", h)
	}
}

// Whom a request is from is said by proxies that are known, and by nobody else; no
// other spelling passes, whoever sends it.
func TestOnlyKnownProxiesSayWhomARequestIsFrom(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(echoAll))
	defer app.Close()
	said := []string{
		"Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: h", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443",
		"X-Forwarded-Prefix: /p", "X-Real-IP: 192.0.2.1", "X_Forwarded_For: 192.0.2.2", "x-forwarded_host: g", "X-Real_IP: 192.0.2.2", "X-Forwarder: kept",
	}
	for trusted, want := range map[string]map[string]string{
		"127.0.0.0/8": {
			"Forwarded": "for=192.0.2.1", "X-Forwarded-For": "192.0.2.1, 127.0.0.1", "X-Forwarded-Host": "h", "X-Forwarded-Proto": "https",
			"X-Forwarded-Port": "443", "X-Forwarded-Prefix": "/p", "X-Real-Ip": "192.0.2.1", "X-Forwarder": "kept",
		},
		"10.0.0.0/8": {"X-Forwarded-For": "127.0.0.1", "X-Forwarder": "kept"},
	} {
		r := newRig(t, func(c *config.Config) { c.Upstream.URL, c.TrustedProxies = app.URL, []string{trusted} })
		h, _ := arrived(t, r, said...)
		for name, value := range want {
			if h.Get(name) != value {
				t.Errorf("%s is trusted: the app got %s: %q, want %q", trusted, name, h.Get(name), value)
			}
		}
		if len(h) != len(want) {
			t.Errorf("%s is trusted: the app got %v", trusted, h)
		}
	}
}

// A body that is no body is the client's fault, not the app's.
func TestABadBodyIsTheClientsFault(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	for _, body := range []string{"5\r\nhello\r\nx\r\n", "zz\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "-1\r\n\r\n", "ffffffffffffffff1\r\nx\r\n"} {
		x := perform(t, r.public.URL, raw(body, "POST /x HTTP/1.1", "Host: app.test", "Transfer-Encoding: chunked"))
		if x.Status != http.StatusBadRequest || !strings.Contains(x.Body, "body could not be read") {
			t.Errorf("%q: %d %s", body, x.Status, x.Body)
		}
	}
}

// An app that breaks off after it has read a body is another matter.
func TestAnAppThatBreaksOffIsNoFaultOfTheClient(t *testing.T) {
	r, _ := before(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	x := perform(t, r.public.URL, raw("5\r\nhello\r\n0\r\n\r\n", "POST /x HTTP/1.1", "Host: app.test", "Transfer-Encoding: chunked"))
	if x.Status != http.StatusBadGateway {
		t.Errorf("%d %s", x.Status, x.Body)
	}
}

// A path is ours only as it is written in the contract, byte for byte; all else is
// the app's, whatever it makes of it.
func TestOnlyExactPathsAreOurs(t *testing.T) {
	r := newRig(t)
	conn := func(target string) string {
		c := dial(t, r.public.URL)
		send(t, c, raw("", "GET "+target+" HTTP/1.1", "Host: x", "Connection: close", "Cookie: access_token="+tokenFor(t, "alice")))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	for _, target := range []string{
		"/api%2Fnotifications", "/api/%6eotifications", "/api/notification%73?limit=1", "//api/notifications", "/static/../api/notifications", "/api/./notifications",
		"/api/notifications/", "/API/notifications", "/api/notifications%00", "/api/notifications;x", "/_sluice/%63onfig", "/_sluice/client%2Ejs", "/api/notifications%3Flimit=1",
	} {
		if got, want := conn(target), fmt.Sprint("the app: GET ", target); got != want {
			t.Errorf("%s: %q, want it to be the app's", target, got)
		}
	}
	for _, target := range []string{"/api/notifications", "/api/notifications?", "http://x/api/notifications"} {
		if got := conn(target); !strings.HasPrefix(got, `{"notifications"`) {
			t.Errorf("%s: %q, want it to be ours", target, got)
		}
	}
}

func TestFieldsAboutTheClient(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "forwarded": true, "X-Real-Ip": true, "x_real.ip": true, "X-Forwarded-For": true, "x.forwarded_host": true,
		"": false, "From": false, "X-Request-Id": false, "Cookie": false, "éforwarded": false,
	} {
		if aboutClient(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
