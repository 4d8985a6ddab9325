package demo

import (
	"bytes"
	"net/http"
	"strings"
)

// watchTag lets the room listen in a page from before the page's own scripts run:
// attached any later, it would miss what the page shows at once.
const watchTag = `<head><script>parent.watch?.(window)</script>`

// serveFramed serves what is asked for in a frame of the room: the page as it is,
// and one line more.
func serveFramed(w http.ResponseWriter, req *http.Request, next http.Handler) {
	f := &framedPage{ResponseWriter: w}
	next.ServeHTTP(f, req)
	if f.html {
		_, _ = w.Write(bytes.Replace(f.page.Bytes(), []byte("<head>"), []byte(watchTag), 1))
	}
}

// framedPage keeps a page back until it is whole. What is no page goes through.
type framedPage struct {
	http.ResponseWriter
	begun, html bool
	page        bytes.Buffer
}

func (f *framedPage) WriteHeader(status int) {
	f.begun = true
	h := f.Header()
	if f.html = strings.HasPrefix(h.Get("Content-Type"), "text/html"); f.html {
		h.Del("Content-Length")
	}
	f.ResponseWriter.WriteHeader(status)
}

func (f *framedPage) Write(b []byte) (int, error) {
	if !f.begun {
		f.WriteHeader(http.StatusOK)
	}
	if f.html {
		return f.page.Write(b)
	}
	return f.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (f *framedPage) Unwrap() http.ResponseWriter { return f.ResponseWriter }
