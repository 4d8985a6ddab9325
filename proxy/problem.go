package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"sluice/backend"
)

// problem is an error answer as of RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// writeProblem answers with an error. detail is shown to the client.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	title := http.StatusText(status)
	if status == http.StatusUnprocessableEntity {
		title = "Unprocessable Content" // RFC 9110's name; net/http has WebDAV's
	}
	body, err := json.Marshal(problem{"about:blank", title, status, detail})
	if err != nil {
		panic(err) // strings and a number
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 asks for a challenge; browsers show nothing for this one
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// writeJSON answers with a value that can be written.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // of our own types, none of which can fail
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// faultStatus is the answer to each fault of a source. Nobody reads the answer to
// a poll that was cancelled; 499 is nginx's word for it in logs.
var faultStatus = map[backend.Fault]int{
	backend.Unauthorized: http.StatusUnauthorized,
	backend.OutOfReach:   http.StatusUnprocessableEntity,
	backend.BadAnswer:    http.StatusBadGateway,
	backend.Unavailable:  http.StatusServiceUnavailable,
	backend.TooLate:      http.StatusGatewayTimeout,
	backend.Canceled:     499,
}

// writeFault answers a poll whose source failed. retryAfter is in seconds.
func writeFault(w http.ResponseWriter, err error, retryAfter int) int {
	status := faultStatus[backend.FaultOf(err)]
	if status > http.StatusNotImplemented {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeProblem(w, status, publicDetail(err))
	return status
}

// publicDetail keeps the private cause of an error out of the answer.
func publicDetail(err error) string {
	var e *backend.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return "the notifications could not be read"
}
