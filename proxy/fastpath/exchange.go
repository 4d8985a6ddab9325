package fastpath

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// exchange is a request and its answer; it is the handler's http.ResponseWriter. What a
// handler could still hold when it has returned is made anew for each: nothing of one
// client's request may turn up in another's.
type exchange struct {
	request http.Request
	url     url.URL

	*response
}

// response is reused: its parts are the handler's until it returns.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
	out    bytes.Buffer
}

var responses = sync.Pool{New: func() any { return &response{header: http.Header{}} }}

// mostKept is the largest buffer that is kept for another answer, in bytes.
const mostKept = 64 << 10

func (r *response) reset() {
	if r.body.Cap() > mostKept || r.out.Cap() > mostKept {
		return
	}
	clear(r.header)
	r.status = 0
	r.body.Reset()
	r.out.Reset()
	responses.Put(r)
}

// Header implements http.ResponseWriter.
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter. What is for the time until an answer (1xx)
// is left out, since that comes soon.
func (r *response) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
}

// Write implements http.ResponseWriter. Nothing is sent before the handler has returned.
func (r *response) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// serve has the request answered, and reports whether the connection goes on.
func (x *exchange) serve(to io.Writer, l *Listener) (goesOn bool, err error) {
	x.response = responses.Get().(*response)
	l.route.Handler.ServeHTTP(x, &x.request)
	goesOn = x.header.Get("Connection") == "" // a handler names it only to end it
	x.write(l.dateAt(time.Now()))
	_, err = to.Write(x.out.Bytes())
	x.reset()
	x.response = nil
	return goesOn, err
}

// write makes of the answer what is sent, as net/http would.
func (r *response) write(date string) {
	r.WriteHeader(http.StatusOK)
	room := r.out.AvailableBuffer()
	room = append(room, "HTTP/1.1 "...)
	room = strconv.AppendInt(room, int64(r.status), 10)
	room = append(room, ' ')
	room = append(room, http.StatusText(r.status)...)
	room = append(room, "\r\n"...)
	r.out.Write(room)
	_ = r.header.WriteSubset(&r.out, own) // a buffer takes everything
	room = r.out.AvailableBuffer()
	room = append(room, "Date: "...)
	room = append(room, date...)
	room = append(room, "\r\nContent-Length: "...)
	room = strconv.AppendInt(room, int64(r.body.Len()), 10)
	if r.header.Get("Connection") != "" {
		room = append(room, "\r\nConnection: close"...)
	}
	room = append(room, "\r\n\r\n"...)
	r.out.Write(room)
	r.out.Write(r.body.Bytes())
}

// own are the fields of an answer that are not the handler's.
var own = map[string]bool{"Connection": true, "Content-Length": true, "Date": true}
