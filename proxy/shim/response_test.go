package shim

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "<!doctype html><html><head><title>x</title></head></html>"

var changed = strings.Replace(page, "<head>", "<head>"+tag(""), 1)

func TestWhichPages(t *testing.T) {
	for _, c := range []struct {
		header []string
		want   Result
	}{
		{nil, Injected},
		{[]string{"Content-Type: text/html; charset=utf-8"}, Injected},
		{[]string{"Content-Type: Text/HTML;charset=ISO-8859-1"}, Injected},
		{[]string{"Content-Type: text/html; charset=\"Shift_JIS\""}, Injected},
		{[]string{"Content-Type: text/html; charset"}, Injected}, // as browsers do
		{[]string{"Content-Encoding: identity"}, Injected},
		{[]string{"Content-Disposition: inline; filename=x.html"}, Injected},
		{[]string{"Content-Security-Policy: script-src 'self'"}, Injected},
		{[]string{"Cache-Control: private, max-age=60"}, Injected},
		{[]string{"Cache-Control: private=\"public\""}, Injected},

		{[]string{"Content-Type: application/xhtml+xml"}, NoPage},
		{[]string{"Content-Type: text/plain"}, NoPage},
		{[]string{"Content-Type: text/html, text/plain"}, NoPage},
		{[]string{"Content-Type: text/html", "Content-Type: text/plain"}, NoPage},
		{[]string{"Content-Disposition: attachment"}, NoPage},
		{[]string{"Content-Disposition: ATTACHMENT; filename=x.html"}, NoPage},
		{[]string{"Content-Disposition: anything-else"}, NoPage},
		{[]string{"Content-Encoding: gzip"}, Encoded},
		{[]string{"Content-Encoding: identity", "Content-Encoding: br"}, Encoded},
		{[]string{"Content-Type: text/html; charset=UTF-16"}, Charset},
		{[]string{"Content-Type: text/html; charset=utf-16le"}, Charset},
		{[]string{"Content-Type: text/html; charset=iso-2022-jp"}, Charset},
		{[]string{"Content-Type: text/html; charset=unicode"}, Charset},
		{[]string{"Cache-Control: public"}, Shared},
		{[]string{"Cache-Control: no-cache", "Cache-Control: max-age=5, Public"}, Shared},
		{[]string{"Cache-Control: s-maxage=5"}, Shared},
		{[]string{"CDN-Cache-Control: max-age=60"}, Shared},
		{[]string{"Cloudflare-CDN-Cache-Control: max-age=60"}, Shared},
		{[]string{"Surrogate-Control: max-age=60"}, Shared},
		{[]string{"X-Accel-Expires: 60"}, Shared},
		{[]string{"Cache-Control: private, no-transform"}, Fixed},
		{[]string{"Content-Security-Policy: script-src 'none'"}, CSP},
		{[]string{"Content-Security-Policy: img-src *", "Content-Security-Policy: sandbox"}, CSP},
	} {
		before := header(append([]string{"Etag: \"e\""}, c.header...)...)
		got, result, resp := through(t, strings.NewReader(page), before.Clone())
		if result != c.want {
			t.Errorf("%q: %s, want %s", c.header, result, c.want)
		}
		if result == Injected {
			if got != changed {
				t.Errorf("%q: %s", c.header, got)
			}
			continue
		}
		if before.Get("Content-Type") == "" {
			before.Set("Content-Type", "text/html")
		}
		if d := cmp.Diff(before, resp.Header); d != "" || got != page {
			t.Errorf("%q: touched: %s %s", c.header, got, d)
		}
	}
}

// What stands in the header must be true of the page with the tag.
func TestHeaderOfAChangedPage(t *testing.T) {
	html, private, vary := "Content-Type: text/html", "Cache-Control: private", "Vary: Cookie"
	for _, c := range []struct{ before, after []string }{
		{nil, []string{html, private, vary}},
		{[]string{"Etag: \"e\"", "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT", "Accept-Ranges: bytes", "Set-Cookie: a=b", "Set-Cookie: c=d"},
			[]string{html, private, vary, "Etag: " + marked(`"e"`), "Set-Cookie: a=b", "Set-Cookie: c=d"}},
		{[]string{"Etag: no etag", "Digest: x", "Repr-Digest: x", "Content-Digest: x", "Content-MD5: x"}, []string{html, private, vary}},
		{[]string{"Cache-Control: no-store", "Vary: *"}, []string{html, "Cache-Control: no-store", "Vary: *"}},
		{[]string{"Cache-Control: private", "Vary: Accept, cookie"}, []string{html, private, "Vary: Accept, cookie"}},
		{[]string{"Cache-Control: max-age=5", "Cache-Control: private=\"x\"", "Vary: Accept", "Vary: Origin"},
			[]string{html, "Cache-Control: max-age=5, private=\"x\", private", "Vary: Accept, Origin, Cookie"}},
	} {
		_, result, resp := through(t, strings.NewReader(page), header(c.before...))
		if d := cmp.Diff(header(c.after...), resp.Header); d != "" || result != Injected {
			t.Errorf("%q: %s, want (-), got (+):\n%s", c.before, result, d)
		}
	}
}

func TestNonce(t *testing.T) {
	got, _, _ := through(t, strings.NewReader(page), header("Content-Security-Policy: script-src 'nonce-a+b='"))
	if want := strings.Replace(page, "<head>", `<head><script src="/_sluice/eventsource.js" nonce="a+b="></script>`, 1); got != want {
		t.Error(got)
	}
}

// Only what was asked with our knowledge of the browser's copy is confirmed as ours.
func TestOtherStatus(t *testing.T) {
	etag := `"e"`
	for _, c := range []struct {
		status int
		asked  string
		want   Result
		etag   string
	}{
		{http.StatusNotModified, etag, Unchanged, marked(etag)},
		{http.StatusNotModified, "", NoPage, etag},
		{http.StatusPartialContent, "", NoPage, etag},
		{http.StatusNotFound, "", NoPage, etag},
		{http.StatusFound, "", NoPage, etag},
		{http.StatusInternalServerError, "", NoPage, etag},
	} {
		r := &http.Request{Header: http.Header{}}
		if c.asked != "" {
			r.Header.Set("If-None-Match", c.asked)
		}
		resp := &http.Response{StatusCode: c.status, Request: r, Body: http.NoBody, Header: header("Content-Type: text/html", "Content-Length: 5", "Etag: "+etag)}
		if result := Inject(resp); result != c.want || resp.Header.Get("Etag") != c.etag || (resp.Header.Get("Content-Length") == "") != (c.want == Unchanged) {
			t.Errorf("%d, asked with %s: %s %v", c.status, c.asked, result, resp.Header)
		}
	}
}

// A digest that follows the body would be wrong.
func TestTrailers(t *testing.T) {
	for name, want := range map[string]Result{"X-Time": Injected, "Digest": Fixed, "Repr-Digest": Fixed} {
		resp := &http.Response{StatusCode: http.StatusOK, Request: &http.Request{Host: "app.test"}, Body: io.NopCloser(strings.NewReader(page)), Header: header("Content-Type: text/html"), Trailer: http.Header{name: nil}}
		if got := Inject(resp); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
