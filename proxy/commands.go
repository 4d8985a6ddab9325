package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

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

// showRollout serves GET /rollout.
func (g *Gateway) showRollout(c *gin.Context) {
	if g.rollout == nil {
		writeProblem(c.Writer, http.StatusNotFound, "rollout.spec is not set, so there is no rollout here")
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, g.rollout.status())
}

// command serves POST /rollout/<verb>. The answer is the status after it.
func (g *Gateway) command(c *gin.Context) {
	if !g.authorizeAdmin(c) {
		return
	}
	verb := control.Verb(c.Param("verb"))
	if g.rollout == nil || !slices.Contains(control.Verbs, verb) {
		writeProblem(c.Writer, http.StatusNotFound, "rollout.spec is not set, or there is no such command")
		return
	}
	body, err := readCommand(http.MaxBytesReader(c.Writer, c.Request.Body, maxSignal))
	if err != nil {
		writeProblem(c.Writer, http.StatusUnprocessableEntity, err.Error())
		return
	}
	// Who hangs up has asked for it all the same.
	_, err = g.rollout.runner.Do(context.WithoutCancel(c.Request.Context()), control.Command{
		Verb: verb, Actor: body.Actor, Cause: body.Cause, Full: body.Full, Force: body.Force, Seen: body.Version,
	})
	switch {
	case errors.As(err, new(*control.Refusal)):
		writeProblem(c.Writer, http.StatusConflict, err.Error())
	case err != nil:
		c.Header("Retry-After", "1")
		writeProblem(c.Writer, http.StatusServiceUnavailable, err.Error()+`; while this lasts, "state": "DISABLED" in the flag file takes everybody back`)
	default:
		g.showRollout(c)
	}
}

const longestText = 500

func readCommand(body io.Reader) (b commandBody, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil && !errors.Is(err, io.EOF) {
		return b, errors.New(`want nothing, or a JSON object such as {"actor":"ann","cause":"too slow","version":12}; promote also takes "full" and "force"`)
	}
	if max(len(b.Actor), len(b.Cause)) > longestText {
		return b, errors.New("actor, cause: longer than 500 bytes")
	}
	b.Actor, b.Cause = oneLine(b.Actor), oneLine(b.Cause)
	return b, nil
}

// oneLine keeps what people write from looking like several entries.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
