package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"sluice/rollout/control"
)

// commandBody is the body of POST /rollout/<verb>. All of it may be left out.
type commandBody struct {
	Actor   string `json:"actor,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Full    bool   `json:"full,omitempty"`
	Force   bool   `json:"force,omitempty"`
	Version uint64 `json:"version,omitempty"` // that the sender has seen; 0: any
}

const noRollout = "rollout.spec is not set, so there is no rollout here"

// showRollout serves GET /rollout.
func (g *Gateway) showRollout(w http.ResponseWriter, _ *http.Request) {
	if g.rollout == nil {
		writeProblem(w, http.StatusNotFound, noRollout)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, g.rollout.status())
}

// command serves POST /rollout/<verb>. The answer is the status after it.
func (g *Gateway) command(w http.ResponseWriter, r *http.Request) {
	if !g.authorizeAdmin(w, r) {
		return
	}
	if g.rollout == nil {
		writeProblem(w, http.StatusNotFound, noRollout)
		return
	}
	verb := control.Verb(r.PathValue("verb"))
	if !slices.Contains(control.Verbs, verb) {
		writeProblem(w, http.StatusNotFound, fmt.Sprintf("there is no such command; want one of %s", control.Verbs))
		return
	}
	body, err := readCommand(http.MaxBytesReader(w, r.Body, maxSignal), verb)
	if err != nil {
		writeProblem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	// Who hangs up has asked for it all the same.
	_, err = g.rollout.runner.Do(context.WithoutCancel(r.Context()), control.Command{
		Verb: verb, Actor: body.Actor, Cause: body.Cause, Full: body.Full, Force: body.Force, Seen: body.Version, Disabled: g.flags.Disabled(),
	})
	switch {
	case errors.As(err, new(*control.Refusal)):
		writeProblem(w, http.StatusConflict, err.Error())
	case err != nil:
		w.Header().Set("Retry-After", "1")
		writeProblem(w, http.StatusServiceUnavailable, err.Error()+`; while this lasts, "state": "DISABLED" in the flag file takes everybody back`)
	default:
		g.showRollout(w, r)
	}
}

const longestText = 500

func readCommand(body io.Reader, verb control.Verb) (b commandBody, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err = d.Decode(&b)
	if err == nil && d.More() {
		err = errors.New("there is more behind the object")
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return b, fmt.Errorf(`%w; want nothing, or a JSON object such as {"actor":"ann","cause":"too slow","version":12}; promote also takes "full" and "force"`, err)
	case (b.Full || b.Force) && verb != control.Promote:
		return b, fmt.Errorf("full, force: are for promote, and this is %s", verb)
	case max(len(b.Actor), len(b.Cause)) > longestText:
		return b, errors.New("actor, cause: longer than 500 bytes")
	}
	b.Actor, b.Cause = oneLine(b.Actor), oneLine(b.Cause)
	return b, nil
}

// oneLine keeps what people write from looking like several entries, and from moving
// the cursor of the terminal that shows them.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
