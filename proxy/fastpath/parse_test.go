package fastpath

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"
)

var route = Route{Path: "/api/notifications", Field: "Sluice-Client"}

// browser is a poll as Chrome sends it.
const browser = "GET /api/notifications?after_id=abc HTTP/1.1\r\nHost: app.example:8080\r\nConnection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"150\"\r\nSluice-Client: 1.0.0\r\nSluice-Elapsed: 5\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Cookie: access_token=a.b.c\r\nAccept: application/json\r\nCookie: theme=dark\r\n\r\n"

// What is taken, and what is left to net/http.
func TestParse(t *testing.T) {
	poll := func(change ...string) string { return strings.NewReplacer(change...).Replace(browser) }
	for name, c := range map[string]struct {
		request string
		taken   bool
	}{
		"a browser's":               {browser, true},
		"without a query":           {poll("?after_id=abc", ""), true},
		"a bare host":               {poll(":8080", ""), true},
		"an IPv6 host":              {poll("app.example", "[::1]"), true},
		"a field without a value":   {poll("application/json", ""), true},
		"another path":              {poll("/api/notifications", "/api/notifications/1"), false},
		"a longer path":             {poll("/api/notifications", "/api/notificationsX"), false},
		"an encoded path":           {poll("/api", "/%61pi"), false},
		"an absolute target":        {poll("GET /", "GET http://app.example/"), false},
		"an empty query":            {poll("?after_id=abc", "?"), false},
		"a fragment":                {poll("=abc", "=abc#d"), false},
		"a space in the target":     {poll("=abc", "=a c"), false},
		"another method":            {poll("GET", "POST"), false},
		"HTTP/1.0":                  {poll("HTTP/1.1", "HTTP/1.0"), false},
		"no Host":                   {poll("Host: app.example:8080\r\n", ""), false},
		"an empty Host":             {poll("app.example:8080", ""), false},
		"two Hosts":                 {poll("Accept: application/json", "Host: app.example"), false},
		"an unusual Host":           {poll("app.example", "a/b"), false},
		"not our client":            {poll("Sluice-Client", "Sluice-Visitor"), false},
		"a client without a name":   {poll("Sluice-Client: 1.0.0", "Sluice-Client:"), false},
		"the last answer":           {poll("keep-alive", "close"), false},
		"a body":                    {poll("Accept: application/json", "Content-Length: 0"), false},
		"a body in chunks":          {poll("Accept: application/json", "Transfer-Encoding: chunked"), false},
		"an upgrade":                {poll("Accept: application/json", "Upgrade: websocket"), false},
		"Pragma":                    {poll("Accept: application/json", "Pragma: no-cache"), false},
		"a field over two lines":    {poll("theme=dark", "theme=\r\n dark"), false},
		"a space before a colon":    {poll("Accept:", "Accept :"), false},
		"a line without a colon":    {poll("Accept: application/json", "Accept"), false},
		"a control character":       {poll("theme=dark", "theme=\x01"), false},
		"NUL":                       {poll("theme=dark", "theme=\x00"), false},
		"a bare LF":                 {poll("Accept: application/json\r\n", "Accept: application/json\n"), false},
		"a bare CR":                 {poll("theme=dark", "theme=\rdark"), false},
		"letters that are no ASCII": {poll("theme=dark", "theme=\xc3\xa9"), false},
		"not all of it":             {browser[:len(browser)-2], false},
		"two":                       {browser + browser, false},
		"something behind it":       {browser + "\r\n\r\n", false},
		"too many fields":           {poll("Accept:", strings.Repeat("X: y\r\n", mostFields)+"Accept:"), false},
	} {
		if x := route.parse([]byte(c.request)); (x != nil) != c.taken {
			t.Errorf("%s: taken is %v", name, x != nil)
		}
		alike(t, []byte(c.request))
	}
}

// What is taken means the same to net/http.
func FuzzParse(f *testing.F) {
	f.Add([]byte(browser))
	f.Add([]byte("GET /api/notifications?a HTTP/1.1\r\nHost: a\r\nSluice-Client: 1\r\nx:\ty \t\r\nX: z\r\n\r\n"))
	f.Add([]byte("GET /api/notifications HTTP/1.1\r\nHost:0\r\nSluice-Client:\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) { alike(t, b) })
}

func alike(t *testing.T, b []byte) {
	t.Helper()
	x := route.parse(b)
	if x == nil {
		return
	}
	rest := bufio.NewReader(bytes.NewReader(b))
	want, err := http.ReadRequest(rest)
	if err != nil {
		t.Fatalf("net/http refuses it: %v: %q", err, b)
	}
	if left, _ := io.ReadAll(rest); len(left) > 0 || want.ContentLength != 0 || want.Close || want.TransferEncoding != nil || want.Trailer != nil {
		t.Errorf("there is more to it: %q", b)
	}
	// What its server checks besides.
	if !httpguts.ValidHostHeader(want.Host) {
		t.Errorf("not a host: %q", want.Host)
	}
	for name, values := range want.Header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				t.Errorf("not a field: %q: %q", name, value)
			}
		}
	}
	type request struct {
		Method, Target, Proto, Host string
		Major, Minor                int
		URL                         any
		Header                      http.Header
	}
	of := func(r *http.Request) request {
		return request{r.Method, r.RequestURI, r.Proto, r.Host, r.ProtoMajor, r.ProtoMinor, *r.URL, r.Header}
	}
	if diff := cmp.Diff(of(want), of(&x.request)); diff != "" {
		t.Errorf("net/http reads it otherwise: %s", diff)
	}
}

// One text for all fields, the names that are not in canonical form, their values, the
// request and the header.
func TestParsingAllocatesLittle(t *testing.T) {
	b := []byte(browser)
	if n := testing.AllocsPerRun(100, func() { route.parse(b) }); n > 9 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(browser)
	b.ReportAllocs()
	for b.Loop() {
		route.parse(text)
	}
}
