package demo

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// What the levers can be moved to.
var (
	parts      = []string{"app", "redis"}
	transports = []string{"sse", "poll"}
	streams    = []string{"upstream", "bridge", "retired"}
)

// roomPolicy lets the page load what is the demo's own, and nobody frame it: whose
// clicks stop servers must see what is clicked.
const roomPolicy = "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page answers GET /: signed out it offers the users, signed in it is the room.
func (r *Room) page(w http.ResponseWriter, req *http.Request) {
	newest, err := r.store.newestRow(req.Context())
	if err != nil {
		writeFault(w)
		return
	}
	var body bytes.Buffer
	err = roomPage().Execute(&body, map[string]any{
		"User": userOf(req, r.key), "Newest": newest,
		"Users": users, "Levels": levels, "Transports": transports, "Streams": streams,
	})
	if err != nil {
		writeFault(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Security-Policy", roomPolicy)
	w.Write(body.Bytes())
}

type partState struct {
	Running bool   `json:"running"`
	Absent  string `json:"absent,omitempty"`
}

type roomState struct {
	User      string               `json:"user"`
	Created   []string             `json:"created"` // ids, after the row that was asked for
	Newest    int64                `json:"newest"`  // what to ask for next
	Transport string               `json:"transport"`
	Stream    string               `json:"stream"`
	Parts     map[string]partState `json:"parts"`
	Figures   map[string]float64   `json:"figures"`
}

// state answers GET /_demo/state?after=: what was created since a row, and how
// everything stands.
func (r *Room) state(w http.ResponseWriter, req *http.Request, user string) {
	after, err := strconv.ParseInt(req.URL.Query().Get("after"), 10, 64)
	if err != nil {
		writeInvalid(w, "query", "after", "not an integer")
		return
	}
	s := roomState{User: user, Parts: map[string]partState{}, Figures: r.levers.Figures()}
	if s.Created, s.Newest, err = r.store.writtenAfter(req.Context(), user, after); err != nil {
		writeFault(w)
		return
	}
	s.Transport, s.Stream = r.levers.Flags(user)
	for _, name := range parts {
		running, absent := r.levers.Part(name)
		s.Parts[name] = partState{running, absent}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, s)
}

// setFlags answers POST /_demo/flags (form fields transport and stream).
func (r *Room) setFlags(w http.ResponseWriter, req *http.Request, user string) {
	req.Body = http.MaxBytesReader(w, req.Body, maxBody)
	transport, ok := oneOf(w, req, "transport", transports)
	if !ok {
		return
	}
	stream, ok := oneOf(w, req, "stream", streams)
	if !ok {
		return
	}
	finish(w, r.levers.SetFlags(user, transport, stream))
}

// turn answers POST /_demo/parts (form fields part and to).
func (r *Room) turn(w http.ResponseWriter, req *http.Request, _ string) {
	req.Body = http.MaxBytesReader(w, req.Body, maxBody)
	part, ok := oneOf(w, req, "part", parts)
	if !ok {
		return
	}
	to, ok := oneOf(w, req, "to", []string{"stopped", "running"})
	if !ok {
		return
	}
	finish(w, r.levers.Turn(part, to == "running"))
}

// oneOf reads a form field. If it says false, the request has been answered.
func oneOf(w http.ResponseWriter, req *http.Request, field string, values []string) (string, bool) {
	value := req.PostFormValue(field)
	if slices.Contains(values, value) {
		return value, true
	}
	writeInvalid(w, "body", field, "not one of "+strings.Join(values, ", "))
	return "", false
}

// finish answers when a lever has been moved. Whoever may move it runs the demo,
// and may know why it does not move.
func finish(w http.ResponseWriter, err error) {
	if err != nil {
		writeDetail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
