package proxy

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/demo"
	"sluice/proxy/config"
)

// before is a gateway on day one: everybody on sse and on the app's stream.
func before(t *testing.T, app http.Handler) (r *rig, direct string) {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return newRig(t, withFlags(t, "sse", "upstream"), func(c *config.Config) { c.Upstream.URL = server.URL }), server.URL
}

// oddApp does what apps do and proxies forget about.
func oddApp() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("ETag", `"e"`)
		w.WriteHeader(code)
	})
	mux.HandleFunc("/duplicates", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2; HttpOnly"}
		w.Header()["X-Many"] = []string{"1", "", "2, 3"}
		io.WriteString(w, "x")
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Announced")
		io.WriteString(w, "body")
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Surprise", "2")
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("/bare", func(w http.ResponseWriter, _ *http.Request) { bare(w) })
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, strings.Repeat("compressed ", 1000))
		z.Close()
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "file.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 5000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("0123456789abcdef", 1<<16))
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "elsewhere?x=1#y", http.StatusFound) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
		if _, pattern := mux.Handler(r); pattern != "" && !strings.ContainsAny(r.RequestURI, "\"|;") {
			mux.ServeHTTP(w, r)
			return
		}
		echo(w, r)
	})
}

// bare answers with a body and no more header fields than the framing needs.
func bare(w http.ResponseWriter) {
	w.Header()["Date"] = nil
	w.Header()["Content-Type"] = nil
	io.WriteString(w, "<html>")
}

// echo answers with the request, but for what may differ.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h := maps.Clone(r.Header)
	for _, name := range []string{"Connection", "Keep-Alive", "X-Forwarded-For"} {
		h.Del(name)
	}
	if r.ContentLength == 0 {
		h.Del("Content-Length") // "no body" can be said in two ways (RFC 9110, section 8.6)
	}
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "target": r.RequestURI, "host": r.Host, "header": h, "trailer": r.Trailer,
		"length": r.ContentLength, "body": string(body), "error": err,
	})
}

// passed are requests that the app must see as if there were no Sluice, and whose
// answers the client must see likewise.
func passed(t *testing.T) map[string]string {
	get := func(target string, lines ...string) string {
		return raw("", append([]string{"GET " + target + " HTTP/1.1", "Host: app.test"}, lines...)...)
	}
	post := func(target, body string, lines ...string) string {
		return raw(body, append([]string{"POST " + target + " HTTP/1.1", "Host: app.test"}, lines...)...)
	}
	as := func(method string) string { return raw("", method+" /x HTTP/1.1", "Host: app.test") }
	signedIn := "Cookie: access_token=" + tokenFor(t, "alice")
	chunks := "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n"
	all := map[string]string{
		"HEAD": as("HEAD"), "OPTIONS": as("OPTIONS"), "DELETE": as("DELETE"), "PROPFIND": as("PROPFIND"), "TRACE": as("TRACE"),
		"HEAD of trailers":   raw("", "HEAD /trailers HTTP/1.1", "Host: app.test"),
		"HEAD of a file":     raw("", "HEAD /file HTTP/1.1", "Host: app.test"),
		"HEAD of a poll":     raw("", "HEAD /api/notifications HTTP/1.1", "Host: app.test", signedIn),
		"POST":               post("/x", "a=1&b=2", "Content-Length: 7", "Content-Type: application/x-www-form-urlencoded"),
		"POST to a poll":     post("/api/notifications", "x", "Content-Length: 1", signedIn),
		"POST of nothing":    post("/x", "", "Content-Length: 0"),
		"POST in chunks":     post("/x", chunks, "Transfer-Encoding: chunked"),
		"POST of a lot":      post("/x", strings.Repeat("y", 1<<20), "Content-Length: 1048576"),
		"POST that asks":     post("/x", "hello", "Content-Length: 5", "Expect: 100-continue"),
		"DELETE with a body": raw("hello", "DELETE /x HTTP/1.1", "Host: app.test", "Content-Length: 5"),
		"GET with a body":    get("/x", "Content-Length: 5") + "hello",

		"range": get("/file", "Range: bytes=2-5"), "bad range": get("/file", "Range: bytes=99-"), "last bytes": get("/file", "Range: bytes=-3"),
		"not modified": get("/file", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"),
		"duplicates":   get("/duplicates"), "trailers": get("/trailers", "Te: trailers"), "trailers unasked": get("/trailers"), "early hints": get("/hints"),
		"bare": get("/bare"), "gzip": get("/gzip"), "gzip asked for": get("/gzip", "Accept-Encoding: gzip, br"), "big": get("/big"),
		"redirect": get("/redirect"), "broken": get("/broken"),

		"headers twice": get("/x", "X-A: 1", "X-A: 2", "x-b:", "Accept: */*", "Accept: text/html"),
		"cookies":       get("/x", "Cookie: a=1; b=\"2\"; c", "Cookie: d=4"),
		"forwarded":     get("/x", "Forwarded: for=1.2.3.4", "X-Forwarded-Host: h", "X-Forwarded-Proto: https", "X-Real-Ip: 1.2.3.4", "Via: 1.1 p"),
		"a long header": get("/x", "X-Long: "+strings.Repeat("z", 20000)),
		"a user agent":  get("/x", "User-Agent: old browser"),
		"another host":  raw("", "GET /x HTTP/1.1", "Host: other.test:1234"),
		"HTTP/1.0":      raw("", "GET /x HTTP/1.0", "Host: app.test"),

		"poll, signed in": get("/api/notifications?after_id=a&limit=5", signedIn), "poll, nobody": get("/api/notifications"),
		"poll, bad limit": get("/api/notifications?limit=abc&limit=2&x=%zz", signedIn), "poll, long cursor": get("/api/notifications?after_id="+strings.Repeat("x", 257), signedIn),
		"poll, bad token": get("/api/notifications", "Cookie: access_token=x.y.z"), "poll, bearer": get("/api/notifications", "Authorization: Bearer x"),
		"stream, signed in": get("/api/stream", signedIn), "stream, nobody": get("/api/stream"), "stream, with an id": get("/api/stream?last_event_id=5", "Last-Event-ID: 7", signedIn),
	}
	for _, code := range []string{"201", "204", "205", "304", "400", "401", "404", "405", "429", "499", "500", "503", "599"} {
		all["status "+code] = get("/status/" + code)
	}
	for _, target := range []string{
		"/", "/?", "/x?", "/x?a=1;b=2", "/x?a=%zz&b", "/x?a=\"|{}^`\\'", "/x?a=b?c#d", "//x", "//x/y?z", "/a/../b", "/a/./b", "/a//b", "/a%2Fb", "/a%2fb%2F..",
		"/%61", "/a\"b|c", "/a%20b", "/a;b=c", "/é", "/a#b", "/a^`{}\\", "/*", "/api/notifications/", "/api/notifications/7/seen", "/api//notifications",
		"/API/notifications", "/api/stream/", "/api/../api/stream", "/_sluice/", "/_sluice/nothing", "/api%2Fpipelines", "/:a/*b",
	} {
		all["path "+target] = get(target, signedIn)
	}
	return all
}

func TestDayOneChangesNothing(t *testing.T) {
	r, direct := before(t, oddApp())
	for name, request := range passed(t) {
		t.Run(strings.ReplaceAll(name, "/", "∕"), func(t *testing.T) {
			want, got := perform(t, direct, request), perform(t, r.public.URL, request)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("without (-) and with (+) Sluice:\n%s", d)
			}
		})
	}
}

// The sample app is the legacy app in small.
func TestDayOneChangesNothingOfTheSampleApp(t *testing.T) {
	app, err := demo.New(filepath.Join(t.TempDir(), "sample.db"), []byte(testKey))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	r, direct := before(t, app)
	signedIn := "Cookie: csrf_token=c; access_token=" + tokenFor(t, "alice")
	for _, line := range []string{
		"GET /", "GET /auth/me", "GET /healthz", "GET /nothing", "GET /dashboard/old", "GET /dashboard/new", "GET /dashboard/activity", "GET /dashboard/jobs",
		"GET /dashboard/jobs/none", "GET /static/page.js", "GET /static/none.js", "GET /static", "HEAD /static/page.js", "OPTIONS /jobs", "GET /api/notifications",
		"GET /api/notifications?limit=abc", "GET /api/notifications?after_id=none&limit=0", "GET /api/pipelines/stream?job_id=none",
		"POST /api/notifications/none/seen", "POST /jobs", "PUT /login", "POST /login", "POST /logout", "GET /api/notifications/",
	} {
		for _, cookie := range []string{signedIn, "Cookie: access_token=bad", "X-CSRF-Token: c\r\n" + signedIn} {
			request := raw("", line+" HTTP/1.1", "Host: app.test", cookie, "Content-Type: application/json", "Content-Length: 0")
			want, got := perform(t, direct, request), perform(t, r.public.URL, request)
			for _, x := range []exchange{want, got} { // a second may pass between the two
				if x.Header.Get("Date") != "" {
					x.Header.Set("Date", "now")
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s without (-) and with (+) Sluice:\n%s", line, d)
			}
		}
	}
}
