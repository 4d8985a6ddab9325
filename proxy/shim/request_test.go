package shim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"

func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		line   string
		header []string
		want   bool
	}{
		{"GET /", []string{accept}, true},
		{"GET /page?x=1", []string{accept}, true},
		{"GET /api", []string{accept}, true},
		{"GET /page", []string{"Accept: Text/HTML"}, true},
		{"GET /page", []string{"Accept: a/b", "Accept: text/html"}, true},
		{"GET /page", []string{accept, "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate"}, true},
		{"GET /page", []string{accept, "Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate"}, true},
		{"GET /page", []string{accept, "Sec-Fetch-Dest: frame", "Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch;prerender"}, true},

		{"HEAD /", []string{accept}, false},
		{"POST /", []string{accept}, false},
		{"GET /", nil, false},
		{"GET /", []string{"Accept: */*"}, false},
		{"GET /", []string{"Accept: application/json"}, false},
		{"GET /api/pages", []string{accept}, false},
		{"GET /_sluice/nothing", []string{accept}, false},
		{"GET /page", []string{accept, "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"}, false},
		{"GET /page", []string{accept, "Sec-Fetch-Dest: empty"}, false},
		{"GET /page", []string{accept, "Sec-Fetch-Dest: object", "Sec-Fetch-Mode: navigate"}, false},
		{"GET /page", []string{accept, "Sec-Fetch-Mode: same-origin"}, false},
		{"GET /page", []string{accept, "HX-Request: true"}, false},
		{"GET /page", []string{accept, "HX-Request: true", "HX-Boosted: true"}, false}, // replaces the body of a living page
		{"GET /page", []string{accept, "X-Requested-With: XMLHttpRequest"}, false},
	} {
		method, target, _ := strings.Cut(c.line, " ")
		r := httptest.NewRequest(method, target, nil)
		r.Header = header(c.header...)
		if got := Wanted(r); got != c.want {
			t.Errorf("%s %v: %v", c.line, c.header, got)
		}
	}
}

func TestAsk(t *testing.T) {
	ours := marked(`"a"`)
	for _, c := range []struct{ before, after []string }{
		{[]string{accept}, []string{accept, "Accept-Encoding: identity"}},
		{[]string{"Accept-Encoding: gzip, br", "Accept-Encoding: zstd", "Cookie: a=b"}, []string{"Accept-Encoding: identity", "Cookie: a=b"}},
		{[]string{"Range: bytes=5-", `If-Range: "a"`, "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", `If-None-Match: "a"`}, []string{"Accept-Encoding: identity"}},
		{[]string{"If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", "If-None-Match: " + ours}, []string{"Accept-Encoding: identity", `If-None-Match: "a"`}},
		{[]string{`If-None-Match: "x", ` + ours, "If-None-Match: " + marked(`W/"b"`)}, []string{"Accept-Encoding: identity", `If-None-Match: "a", W/"b"`}},
	} {
		h := header(c.before...)
		Ask(h)
		if d := cmp.Diff(header(c.after...), h); d != "" {
			t.Errorf("%q: want (-), got (+):\n%s", c.before, d)
		}
	}
}
