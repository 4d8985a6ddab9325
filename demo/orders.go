package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
)

// maxBody bounds a request body, in bytes.
const maxBody = 64 << 10

var levels = []string{"success", "info", "error"}

// jobOrder is what POST /jobs asks for, as form or as JSON.
type jobOrder struct {
	Kind  string `json:"kind"`  // report, import, document, or any other word
	Delay int    `json:"delay"` // milliseconds before the notifications, 0..60000
	Count int    `json:"count"` // notifications, 1..1000
	Level string `json:"level"` // one of levels
	Text  string `json:"text"`  // replaces the usual text
}

// invalid is a fault in one field of an order.
type invalid struct{ field, problem string }

func (e invalid) Error() string { return e.field + ": " + e.problem }

// startJob answers POST /jobs: 202 as soon as the job runs.
func (a *App) startJob(w http.ResponseWriter, r *http.Request, user string) {
	order, err := readOrder(r)
	if fault, ok := errors.AsType[invalid](err); ok {
		writeInvalid(w, "body", fault.field, fault.problem)
		return
	}
	if err != nil {
		writeDetail(w, http.StatusBadRequest, "Cannot read the request body")
		return
	}
	j := newJob(user, order)
	if !a.begin() {
		writeDetail(w, http.StatusServiceUnavailable, "The app is shutting down")
		return
	}
	a.jobs.add(j)
	go func() {
		defer a.work.Done()
		j.run(a.life, a.store)
	}()
	writeJSON(w, http.StatusAccepted, map[string]string{"job_id": j.ID})
}

// readOrder reads an order and checks it. What is not said has a default.
func readOrder(r *http.Request) (jobOrder, error) {
	order := jobOrder{Kind: "report", Count: 1, Level: "success"}
	read := order.readForm
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		read = order.readJSON
	}
	if err := read(r); err != nil {
		return order, err
	}
	return order, order.check()
}

func (o *jobOrder) readJSON(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	err = json.Unmarshal(body, o)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return invalid{wrong.Field, "not a " + wrong.Type.String()}
	}
	return err
}

// readForm takes the fields that are filled in.
func (o *jobOrder) readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	for name, to := range map[string]*string{"kind": &o.Kind, "level": &o.Level, "text": &o.Text} {
		if value := r.PostFormValue(name); value != "" {
			*to = value
		}
	}
	for name, to := range map[string]*int{"delay": &o.Delay, "count": &o.Count} {
		value := r.PostFormValue(name)
		if value == "" {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return invalid{name, "not an int"}
		}
		*to = n
	}
	return nil
}

func (o *jobOrder) check() error {
	switch {
	case o.Delay < 0 || o.Delay > 60_000:
		return invalid{"delay", "not in 0..60000 ms"}
	case o.Count < 1 || o.Count > 1000:
		return invalid{"count", "not in 1..1000"}
	case !slices.Contains(levels, o.Level):
		return invalid{"level", fmt.Sprintf("not one of %v", levels)}
	}
	return nil
}
