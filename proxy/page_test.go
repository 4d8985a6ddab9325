package proxy

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/servertest"
	"sluice/proxy/config"
	"sluice/proxy/shim"
)

const (
	aPage     = "<!doctype html>\n<html><head><title>x</title></head><body>the page</body></html>"
	scriptTag = `<script src="/_sluice/eventsource.js"></script>`
)

var aPageWithScript = strings.Replace(aPage, "<head>", "<head>"+scriptTag, 1)

// pagesApp is an app with pages, the way apps serve them.
func pagesApp() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { // with ranges, conditions and a length
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "page.html", time.Unix(1e9, 0), strings.NewReader(aPage))
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Vary", "Accept-Encoding")
		if r.URL.RawQuery != "always" && !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			io.WriteString(w, aPage)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, aPage)
		z.Close()
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Trailer", "X-Announced")
		io.WriteString(w, aPage)
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Surprise", "2")
	})
	mux.HandleFunc("/csp", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", r.Header.Get("X-Policy"))
		io.WriteString(w, aPage)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", "5000")
		io.WriteString(w, aPage)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/fragment", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<div>a fragment</div>")
	})
	mux.HandleFunc("/missing", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, aPage)
	})
	mux.HandleFunc("/", echo)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
		mux.ServeHTTP(w, r)
	})
}

// injecting is a gateway with compat.inject_shim, for everybody on this transport.
func injecting(t *testing.T, app http.Handler, transport string) (r *rig, direct string) {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return newRig(t, withFlags(t, transport, "upstream"), func(c *config.Config) {
		c.Upstream.URL, c.Compat.InjectShim = server.URL, true
	}), server.URL
}

// navigation asks for a page as browsers do.
func navigation(t *testing.T, target string, lines ...string) string {
	return raw("", append([]string{"GET " + target + " HTTP/1.1", "Host: app.test", "Accept: text/html,*/*;q=0.8", "Accept-Encoding: gzip, br",
		"Cookie: access_token=" + tokenFor(t, "alice")}, lines...)...)
}

// withPages are requests for pages, for the tests of what stays as it is.
func withPages(t *testing.T) map[string]string {
	all := map[string]string{}
	for _, target := range []string{"/file", "/gzip", "/gzip?always", "/trailers", "/csp", "/broken", "/fragment", "/missing", "/any"} {
		all[target] = navigation(t, target)
		for _, line := range []string{"Range: bytes=2-5", `If-None-Match: "v1"`, "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", "Te: trailers", "Sec-Fetch-Dest: document"} {
			all[target+", "+line] = navigation(t, target, line)
		}
	}
	return all
}

func wantSame(t *testing.T, direct, through string, requests map[string]string) {
	t.Helper()
	for name, request := range requests {
		want, got := perform(t, direct, request), perform(t, through, request)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s without (-) and with (+) Sluice:\n%s", name, d)
		}
	}
}

func TestPagesStayAsTheyAre(t *testing.T) {
	t.Run("while the key is off", func(t *testing.T) {
		server := httptest.NewServer(pagesApp())
		defer server.Close()
		r := newRig(t, withFlags(t, "poll", "upstream"), func(c *config.Config) { c.Upstream.URL = server.URL })
		wantSame(t, server.URL, r.public.URL, withPages(t))
		wantSeries(t, r)
	})
	t.Run("for users on sse", func(t *testing.T) {
		r, direct := injecting(t, pagesApp(), "sse")
		wantSame(t, direct, r.public.URL, withPages(t))
		odd, direct := injecting(t, oddApp(), "sse")
		requests := passed(t)
		delete(requests, "POST that asks") // no page, and under load its 100 comes twice, with or without the key
		wantSame(t, direct, odd.public.URL, requests)
		wantSeries(t, r)
		wantSeries(t, odd, "compat_legacy_clients 1") // some ask for the app's stream
	})
	t.Run("for nobody, where everybody polls", func(t *testing.T) {
		server := httptest.NewServer(pagesApp())
		defer server.Close()
		r := newRig(t, func(c *config.Config) { c.Upstream.URL, c.Compat.InjectShim = server.URL, true }) // without flags
		wantSame(t, server.URL, r.public.URL, map[string]string{"a page": strings.Replace(navigation(t, "/file"), "Cookie: ", "X-Cookie: ", 1)})
		wantSeries(t, r)
	})
	t.Run("for all that is no page or nobody's", func(t *testing.T) {
		r, direct := injecting(t, pagesApp(), "poll")
		requests := map[string]string{"HEAD": strings.Replace(navigation(t, "/file"), "GET ", "HEAD ", 1)}
		for name, request := range withPages(t) {
			for _, change := range [][2]string{
				{"Cookie: access_token=", "Cookie: access_token=x"}, {"Cookie: ", "X-Cookie: "}, {"Accept: text/html,", "Accept: "}, {"GET ", "DELETE "},
				{"Host: ", "Sec-Fetch-Dest: empty\r\nHost: "}, {"Host: ", "HX-Request: true\r\nHX-Boosted: true\r\nHost: "}, {"Host: ", "X-Requested-With: XMLHttpRequest\r\nHost: "},
			} {
				requests[name+", "+change[1]] = strings.Replace(strings.Replace(request, "Sec-Fetch-Dest: document", "X: y", 1), change[0], change[1], 1)
			}
		}
		wantSame(t, direct, r.public.URL, requests)
		wantSeries(t, r)
	})
}

// What the app is asked, and what comes of its answer.
func TestPagesGetTheScript(t *testing.T) {
	r, direct := injecting(t, pagesApp(), "poll")
	changes := func(x exchange) exchange {
		x.Body = strings.Replace(x.Body, "<head>", "<head>"+scriptTag, 1)
		x.Header.Set("Cache-Control", "private")
		x.Header.Set("Vary", strings.TrimPrefix(x.Header.Get("Vary")+", Cookie", ", "))
		if x.Header.Get("Content-Length") != "" {
			x.Header.Set("Content-Length", fmt.Sprint(len(aPageWithScript)))
		}
		for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges"} {
			x.Header.Del(name)
		}
		return x
	}
	for _, target := range []string{"/file", "/gzip", "/trailers", "/csp"} {
		t.Run(target[1:], func(t *testing.T) {
			want := changes(perform(t, direct, strings.Replace(navigation(t, target), "gzip, br", "identity", 1)))
			got := perform(t, r.public.URL, navigation(t, target, "Range: bytes=2-5"))
			got.Header.Del("Etag") // has a test of its own
			if d := cmp.Diff(want, got); d != "" || got.Status != http.StatusOK || !strings.Contains(got.Body, scriptTag) {
				t.Errorf("as it should be (-) and with (+) Sluice:\n%s", d)
			}
			if line := r.logLine(target); line["outcome"] != "page: injected" || line["user"] != "alice" || line["bytes"] != int64(len(aPageWithScript)) {
				t.Errorf("logged as %v", line)
			}
		})
	}
	if got := perform(t, r.public.URL, strings.Replace(navigation(t, "/file"), "HTTP/1.1", "HTTP/1.0", 1)); got.Body != aPageWithScript {
		t.Errorf("over HTTP/1.0: %+v", got)
	}
	wantSeries(t, r, `shim_injections_total{result="injected"} 5`)
}

// A page that cannot have the script comes as the app sent it, and is counted.
func TestPagesWithoutTheScript(t *testing.T) {
	r, direct := injecting(t, pagesApp(), "poll")
	requests := map[string]string{}
	for name, lines := range map[string][]string{"/gzip?always": nil, "/fragment": nil, "/missing": nil, "/csp": {"X-Policy: script-src 'none'"}} {
		requests[name] = navigation(t, name, lines...)
	}
	wantSame(t, direct, r.public.URL, requests)
	if line := r.logLine("/fragment"); line["outcome"] != "page: no_head" || line["user"] != "alice" {
		t.Errorf("logged as %v", line)
	}
	if line := r.logLine("/missing"); line["outcome"] != "passed" {
		t.Errorf("logged as %v", line)
	}
	wantSeries(t, r, `shim_injections_total{result="csp"} 1`, `shim_injections_total{result="encoded"} 1`, `shim_injections_total{result="no_head"} 1`)
}

func TestPagesWithANonce(t *testing.T) {
	r, _ := injecting(t, pagesApp(), "poll")
	got := perform(t, r.public.URL, navigation(t, "/csp", "X-Policy: script-src 'nonce-abc'"))
	if want := strings.Replace(aPage, "<head>", `<head><script src="/_sluice/eventsource.js" nonce="abc"></script>`, 1); got.Body != want {
		t.Error(got.Body)
	}
}

// A page that breaks off does so for the browser too.
func TestPagesThatBreakOff(t *testing.T) {
	r, _ := injecting(t, pagesApp(), "poll")
	got := perform(t, r.public.URL, navigation(t, "/broken"))
	if got.Body != aPageWithScript+" (and the connection broke)" || got.Header.Get("Content-Length") != fmt.Sprint(5000+len(scriptTag)) {
		t.Errorf("%+v", got)
	}
}

// A copy with the script is confirmed by the app, one without it never; and nobody
// who is not on poll is confirmed a copy with it.
func TestPagesAreRevalidated(t *testing.T) {
	r, direct := injecting(t, pagesApp(), "poll")
	first := perform(t, r.public.URL, navigation(t, "/file"))
	etag := first.Header.Get("Etag")
	for name, line := range map[string]string{
		"the app's own": `If-None-Match: "v1"`, "by time": "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", "any": "If-None-Match: *", "ours of another version": "If-None-Match: " + strings.Replace(etag, "v1", "v0", 1),
	} {
		again := perform(t, r.public.URL, navigation(t, "/file", line))
		if d := cmp.Diff(first, again); d != "" {
			t.Errorf("%s: not the page as at first (-) but (+):\n%s", name, d)
		}
	}
	kept := perform(t, r.public.URL, navigation(t, "/file", `If-None-Match: "v0", `+etag, "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"))
	want := exchange{Status: http.StatusNotModified, Header: http.Header{"Etag": {etag}, "Cache-Control": {"private"}, "Vary": {"Cookie"}, "Date": first.Header["Date"]}, Trailer: kept.Trailer}
	if d := cmp.Diff(want, kept); d != "" || etag == "" || etag == `"v1"` {
		t.Errorf("the copy with the script, %s:\n%s", etag, d)
	}
	wantSeries(t, r, `shim_injections_total{result="injected"} 5`, `shim_injections_total{result="not_modified"} 1`)

	moved, _ := injecting(t, pagesApp(), "sse")
	wantSame(t, direct, moved.public.URL, map[string]string{"back on sse": navigation(t, "/file", "If-None-Match: "+etag)})
}

// spoken is an app that writes a page as the test says it.
func spoken(words <-chan string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.(http.Flusher).Flush()
		for {
			select {
			case word, more := <-words:
				if !more {
					return
				}
				io.WriteString(w, word)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
}

// Once the head has begun, a page streams as the app flushes it.
func TestPagesStream(t *testing.T) {
	words := make(chan string)
	r, _ := injecting(t, spoken(words), "poll")
	conn := dial(t, r.public.URL)
	send(t, conn, navigation(t, "/report"))
	in := bufio.NewReader(conn)
	for _, word := range []string{"<!doctype", " html><html><he"} {
		words <- word // alone these show nothing
	}
	for _, word := range []string{"ad><title>", "x</title>", "<body>1", "2", "3</body>"} {
		words <- word
		readUntil(t, in, strings.Replace(word, "ad>", "<he"+"ad>"+scriptTag, 1))
	}
	close(words)
	readUntil(t, in, "0\r\n\r\n")
	wantSeries(t, r, `shim_injections_total{result="injected"} 1`)
}

// An app that pauses before its head keeps nobody waiting for long, and a client
// that leaves meanwhile is let go.
func TestPagesThatPauseBeforeTheHead(t *testing.T) {
	words := make(chan string)
	r, _ := injecting(t, spoken(words), "poll")
	conn := dial(t, r.public.URL)
	send(t, conn, navigation(t, "/slow"))
	words <- "<html>"
	in := bufio.NewReader(conn)
	readUntil(t, in, "<html>") // while the app is silent
	words <- "<head>"
	readUntil(t, in, "<head>")
	close(words)
	readUntil(t, in, "0\r\n\r\n")
	wantSeries(t, r, `shim_injections_total{result="late"} 1`)
}

func TestPagesThatNobodyWaitsFor(t *testing.T) {
	words := make(chan string)
	r, _ := injecting(t, spoken(words), "poll")
	conn := dial(t, r.public.URL)
	send(t, conn, navigation(t, "/left"))
	words <- "<html>"
	conn.Close()
	servertest.Eventually(t, "the request ends", func() bool { return r.logs.FilterMessage("request").Len() == 1 })
	wantSeries(t, r)
}

// What the tag names is there.
func TestPagesHaveTheirScript(t *testing.T) {
	r, _ := injecting(t, pagesApp(), "poll")
	if script := r.get("", shim.Script); script.status != http.StatusOK || !strings.HasPrefix(script.header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%d %v", script.status, script.header)
	}
}
