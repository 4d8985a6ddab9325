package proxy

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// recorder is what all handlers of the public listener answer over; it remembers what was
// sent.
type recorder struct {
	http.ResponseWriter
	last *atomic.Bool // whether the connection is to end with the response
	// unsure: where the request ends another reader may see in another place, by a length
	// besides its chunks or by chunks of HTTP/1.0, both of which net/http hides. So the
	// connection has to end with it (RFC 9112, section 6.1), as it does when the answer
	// begins before that end has come: net/http would take what comes late for a request.
	unsure bool
	body   *upload // nil without one
	// ours adds to the header of an answer that is not the app's; nil: nothing.
	ours func(http.Header)
	// stream limits writes over HTTP/2, where a client that takes nothing stops its own
	// stream, of which the connection knows nothing. It is nil over HTTP/1.
	stream  *http.ResponseController
	limited bool // whoever writes has set a limit
	status  int  // of the final response; 0 before it
	bytes   int64

	// What the handler says about the request, for its log line.
	user    string
	outcome string
	err     error
	start   time.Time
	routine bool // a poll that brought nothing: there may be a hundred thousand a second
}

// WriteHeader lets 1xx through, and one final response.
func (r *recorder) WriteHeader(status int) {
	if r.status != 0 {
		return
	}
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		r.status = status
		if r.ours != nil {
			r.ours(r.Header())
		}
		if (r.last.Load() || r.unsure || r.stream == nil && r.body.pending()) && status != http.StatusSwitchingProtocols {
			r.Header().Set("Connection", "close")
		}
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK) // unless there is one
	r.limit(stalledWrite)
	defer r.limit(0)
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// SetWriteDeadline is what http.ResponseController looks for.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.limited = !t.IsZero()
	return http.NewResponseController(r.ResponseWriter).SetWriteDeadline(t)
}

// limit says within what time what is written has to be taken; 0 is no limit, as for a
// stream on which nothing happens.
func (r *recorder) limit(within time.Duration) {
	if r.stream == nil || r.limited {
		return
	}
	var deadline time.Time
	if within > 0 {
		deadline = time.Now().Add(within)
	}
	_ = r.stream.SetWriteDeadline(deadline)
}

// Hijack takes over the connection, for a change of protocol.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush is what handlers look for that are older than http.ResponseController.
func (r *recorder) Flush() { _ = r.FlushError() }

// FlushError is what http.ResponseController looks for.
func (r *recorder) FlushError() error {
	r.WriteHeader(http.StatusOK)
	r.limit(stalledWrite)
	defer r.limit(0)
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// recording makes every handler below run over a recorder, and writes one log
// line a request, or of the routine ones one in so many: never a query, a cookie or a
// token. While draining, each response asks the client to connect anew (over HTTP/2:
// GOAWAY), and so to another gateway.
func recording(next answerer, log *zap.Logger, draining *atomic.Bool, oneIn func() int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, last: draining, unsure: r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)}
		if r.ProtoMajor == 2 {
			rec.stream = http.NewResponseController(w)
		}
		received, body := receive(w, r)
		rec.body = body
		rec.start = time.Now()
		defer func() {
			fault := recover()
			if fault != nil && !errors.Is(asError(fault), http.ErrAbortHandler) {
				log.Error("panic", zap.Any("panic", fault), zap.ByteString("stack", debug.Stack()))
				rec.outcome = "panic"
				if rec.status == 0 {
					writeProblem(rec, http.StatusInternalServerError, "internal error")
					fault = nil
				}
			}
			rec.leave()
			if n := oneIn(); !rec.routine || n > 0 && rand.IntN(n) == 0 {
				logRequest(log, rec, r, time.Since(rec.start), n)
			}
			if fault != nil {
				_ = rec.FlushError()        // what the app has sent before it broke off
				panic(http.ErrAbortHandler) // net/http cuts the connection, so that the client sees the cut
			}
		}()
		next(rec, received)
	})
}

// leave hands what is left to read and to write over to net/http, with a limit.
func (r *recorder) leave() {
	r.limit(stalledWrite)
	if r.body != nil {
		r.body.leave()
	}
}

func asError(v any) error {
	err, _ := v.(error)
	return err
}

func logRequest(log *zap.Logger, rec *recorder, r *http.Request, took time.Duration, oneIn int) {
	level := zap.InfoLevel
	if rec.status >= http.StatusInternalServerError {
		level = zap.WarnLevel
	}
	if line := log.Check(level, requestLine); line != nil {
		line.Write(zap.Inline(requestFields{rec, r, took, oneIn}))
	}
}

// requestFields are what a request's line says of it. They are written to the line as they
// are, since a list of fields takes a quarter of the time and most of the memory of a line.
type requestFields struct {
	*recorder
	request *http.Request
	took    time.Duration
	oneIn   int
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (f requestFields) MarshalLogObject(line zapcore.ObjectEncoder) error {
	line.AddString("method", f.request.Method)
	line.AddString("path", f.request.URL.Path)
	line.AddInt64("status", int64(f.status))
	line.AddInt64("bytes", f.bytes)
	line.AddDuration("took", f.took)
	line.AddString("outcome", f.outcome)
	if f.user != "" {
		line.AddString("user", f.user)
	}
	if f.routine {
		line.AddInt64("one_in", int64(f.oneIn))
	}
	if f.err != nil {
		zap.Error(f.err).AddTo(line)
	}
	return nil
}
