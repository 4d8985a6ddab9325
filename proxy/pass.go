package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// idleConnsPerApp keeps connections to the app open; net/http's default of two
// nearly doubles the cost of proxying.
const idleConnsPerApp = 256

// flushWithin is how long a piece of a response of known length may be held back.
// Streams, and all whose length is not known, are flushed as soon as the app does; to
// do so with every response sends its header in a packet of its own, by a goroutine.
const flushWithin = 2 * time.Millisecond

// newAppProxy passes requests to the app; it answers over asSent. The app sees
// what it would see without Sluice, and the client gets what the app said, piece
// by piece; only hop-by-hop fields and X-Forwarded-For differ. It has to begin its answer
// within begin, unless that is 0.
func newAppProxy(app *url.URL, begin time.Duration, log *zap.Logger, t trust) http.Handler {
	errorLog, err := zap.NewStdLogAt(log.Named("pass"), zap.WarnLevel)
	if err != nil {
		panic(err) // only an unknown level is refused
	}
	return &httputil.ReverseProxy{
		Transport: announcing{&http.Transport{
			// No proxy from the environment, no compression of our own.
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			DisableCompression:    true,
			MaxIdleConns:          idleConnsPerApp,
			MaxIdleConnsPerHost:   idleConnsPerApp,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
			ResponseHeaderTimeout: begin,
		}},
		FlushInterval: flushWithin,
		BufferPool:    &buffers{},
		Rewrite: func(pr *httputil.ProxyRequest) {
			rewrite(pr, app)
			t.clean(pr.In, pr.Out.Header)
		},
		ModifyResponse: look,
		ErrorHandler:   appFailed,
		ErrorLog:       errorLog,
	}
}

// buffers are what responses are copied through; a new one for each is a fifth of the
// cost of a small response.
type buffers struct{ pool sync.Pool }

// copySize is that of httputil's own buffers.
const copySize = 32 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[copySize]byte); ok {
		return kept[:]
	}
	return make([]byte, copySize)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[copySize]byte)(buffer)) }

// announcing keeps the trailers that the answer to a HEAD announces: net/http leaves
// them in the header, from which ReverseProxy removes them.
type announcing struct{ http.RoundTripper }

func (a announcing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.RoundTripper.RoundTrip(r)
	if err != nil || r.Method != http.MethodHead {
		return resp, err
	}
	for _, line := range resp.Header["Trailer"] {
		if resp.Trailer == nil {
			resp.Trailer = http.Header{}
		}
		for name := range strings.SplitSeq(line, ",") {
			resp.Trailer[http.CanonicalHeaderKey(strings.TrimSpace(name))] = nil
		}
	}
	return resp, nil
}

// asSent sends the app's header as it is: net/http shall not add what the app
// left out. It does so as late as this because ReverseProxy empties the header
// after a 1xx response.
type asSent struct{ *recorder }

func (w asSent) WriteHeader(status int) {
	for _, name := range []string{"Date", "Content-Type"} {
		if _, ok := w.Header()[name]; !ok {
			w.Header()[name] = nil
		}
	}
	w.ours = nil
	w.recorder.WriteHeader(status)
}

// lookKey is where a request's context says who looks at the app's response to it.
type lookKey struct{}

// lookedAt is a request whose response is looked at, and perhaps changed, before it
// is handed on.
func lookedAt(r *http.Request, by func(*http.Response)) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), lookKey{}, by))
}

func look(resp *http.Response) error {
	if by, ok := resp.Request.Context().Value(lookKey{}).(func(*http.Response)); ok {
		by(resp)
	}
	return nil
}

// rewrite undoes what ReverseProxy changes for safety's sake before it gets
// here: the app behind Sluice must be the app alone.
func rewrite(pr *httputil.ProxyRequest, app *url.URL) {
	pr.Out.URL.Scheme, pr.Out.URL.Host = app.Scheme, app.Host
	pr.Out.Host = pr.In.Host
	pr.Out.URL.RawQuery = pr.In.URL.RawQuery
	pr.Out.URL.ForceQuery = pr.In.URL.ForceQuery
	keepPath(pr.Out.URL, pr.In.RequestURI)
	keepFields(pr.Out.Header, pr.In.Header)
}

// keepPath sends the path's bytes as they came. net/url would escape some of
// them, such as " and |; Opaque is written as it is, but must not begin with //.
func keepPath(out *url.URL, requestURI string) {
	path, _, _ := strings.Cut(requestURI, "?")
	if path != out.EscapedPath() && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		out.Opaque = path
	}
}

// appFailed answers a request that did not get through to the app.
func appFailed(w http.ResponseWriter, _ *http.Request, err error) {
	rec := w.(asSent).recorder // the answer is ours
	rec.err = err
	fault := rec.body.fault()
	switch {
	case fault == http.StatusRequestTimeout: // by which net/http takes the client for gone
		writeProblem(rec, fault, "nothing more of the request's body came")
	case errors.Is(err, context.Canceled):
		rec.WriteHeader(499) // the client went away; for the log
	case errors.Is(err, context.DeadlineExceeded):
		writeProblem(rec, http.StatusGatewayTimeout, "the app did not answer in time")
	case fault != 0:
		writeProblem(rec, fault, "the request's body could not be read")
	default:
		writeProblem(rec, http.StatusBadGateway, "the app does not answer")
	}
}
