package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Random requests, to the app directly and through Sluice on day one: the app must see
// the same, and so must the client. What may differ is in perform and echo: the fields
// that are about one connection, and X-Forwarded-For.
func TestRandomRequestsPassUnchanged(t *testing.T) {
	r, direct := before(t, oddApp())
	signedIn := "access_token=" + tokenFor(t, "alice")
	rapid.Check(t, func(rt *rapid.T) {
		request := drawRequest(rt, signedIn)
		want, got := perform(t, direct, request), perform(t, r.public.URL, request)
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("%q\nwithout (-) and with (+) Sluice:\n%s", request, d)
		}
	})
}

// drawRequest is a request that a server must accept, however odd.
func drawRequest(t *rapid.T, cookie string) string {
	method := rapid.SampledFrom([]string{"GET", "GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "REPORT"}).Draw(t, "method")
	lines := []string{fmt.Sprintf("%s %s HTTP/1.1", method, drawTarget(t)), "Host: " + rapid.SampledFrom([]string{"app.test", "app.test:8443", "[::1]:80", "APP.TEST"}).Draw(t, "host")}
	for range rapid.IntRange(0, 6).Draw(t, "headers") {
		line := drawHeader(t, cookie)
		once := strings.HasPrefix(line, "User-Agent") || strings.HasPrefix(line, "Te") // of which one is sent on
		if !once || !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	body := ""
	switch rapid.SampledFrom([]string{"none", "none", "length", "chunks"}).Draw(t, "framing") {
	case "length":
		body = rapid.StringN(0, 50, 200).Draw(t, "body")
		lines = append(lines, fmt.Sprint("Content-Length: ", len(body)))
	case "chunks":
		for range rapid.IntRange(0, 4).Draw(t, "chunks") {
			chunk := rapid.StringN(1, 20, 60).Draw(t, "chunk")
			body += fmt.Sprintf("%x%s\r\n%s\r\n", len(chunk), rapid.SampledFrom([]string{"", ";a=b", ";c=\"d\""}).Draw(t, "extension"), chunk)
		}
		body += "0\r\n\r\n"
		lines = append(lines, "Transfer-Encoding: chunked")
	}
	return raw(body, lines...)
}

// drawTarget is a path of the odd app, of Sluice, or of anybody, with a query.
func drawTarget(t *rapid.T) string {
	known := []string{"/x", "/file", "/duplicates", "/trailers", "/bare", "/gzip", "/redirect", "/status/404", "/status/204", "/api/notifications", "/_sluice/nothing"}
	path := rapid.SampledFrom(known).Draw(t, "path")
	if rapid.Bool().Draw(t, "odd") {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "..", ".", "", "%2F", "%2e%2E", "%41", "é", "\"|^`", "a;b=c", ":id", "*", "api", "notifications", "stream", "%25", "\\", "{}", "+", "~"}), 1, 6).Draw(t, "parts")
		path = "/" + strings.Join(parts, "/")
		// The one thing that net/http does not let through: behind //, bytes that must be escaped are.
		if strings.HasPrefix(path, "//") && strings.ContainsAny(path, "é\"|^`\\{}") {
			path = "/" + strings.TrimLeft(path, "/")
		}
	}
	if !rapid.Bool().Draw(t, "asks") {
		return path
	}
	pairs := rapid.SliceOfN(rapid.SampledFrom([]string{"a=1", "a=2", "a=1;b=2", "b", "=", "%zz", "a=%00", "limit=5", "after_id=x", "a=b?c", "é=\"", "+=%20", ""}), 0, 5).Draw(t, "query")
	return path + "?" + strings.Join(pairs, "&")
}

func drawHeader(t *rapid.T, cookie string) string {
	return rapid.SampledFrom([]string{
		"Cookie: " + cookie, "Cookie: a=1; b=\"2\"", "Cookie: c", "Accept: */*", "Accept: text/html;q=0.5", "Accept-Encoding: gzip", "Accept-Encoding: br, identity",
		"Range: bytes=1-3", "Range: bytes=-2", "If-None-Match: \"e\", W/\"f\"", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", "Cache-Control: no-cache", "Pragma: no-cache",
		"X-A: 1", "X-A: 2", "x-a:", "X-Empty: ", "X-Tabs: \ta\tb ", "X-Latin: \xe9", "X-Utf8: é", "User-Agent: a", "Authorization: Basic YTpi", "Authorization: Bearer x",
		"Connection: keep-alive", "Connection: X-A, Cookie", "Te: trailers", "Forwarded: for=1.2.3.4", "X-Forwarded-Proto: https", "X-Real-IP: 1.2.3.4", "Origin: null",
		"Referer: http://x/?a=b#c", "Sec-Fetch-Mode: navigate", "Content-Type: text/plain; charset=x", "Upgrade-Insecure-Requests: 1", "Expect: 100-continue", "Max-Forwards: 1",
	}).Draw(t, "header")
}
