package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/backend"
	"sluice/rollout"
)

// answer is the body of a poll: what says nothing is left out.
type answer struct {
	Notifications []backend.Notification `json:"notifications"`
	Cursor        string                 `json:"cursor,omitempty"`
	HasMore       bool                   `json:"has_more,omitempty"`
	Reset         bool                   `json:"reset,omitempty"`
}

var emptyAnswer = []byte(`{"notifications":[]}`)

// poll serves GET /api/notifications for users who poll and for our own client;
// the app answers everybody else.
func (g *Gateway) poll(rec *recorder, r *http.Request) {
	if !g.ownPoll(rec, r) {
		g.pass(rec, r)
	}
}

// ownPoll answers a poll, and reports false for one that is the app's: never of our client.
func (g *Gateway) ownPoll(rec *recorder, r *http.Request) bool {
	client := clientOf(r)
	id, err := g.auth.Authenticate(r)
	if err != nil {
		rec.err = err
		if g.isApps(r) {
			return false
		}
		g.refuse(rec, err)
		return true
	}
	rec.user = id.User
	transport := g.flags.Transport(r.Context(), id.User)
	if transport != rollout.Poll && client == "native" {
		return false
	}
	result, page := g.answerPoll(rec, r, id.Caller, transport)
	now := time.Now()
	took := now.Sub(rec.start)
	g.polled(id.User, client, page, g.elapsedOf(r), now)
	rec.outcome = "poll: " + result
	g.metrics.polls.WithLabelValues(client, result).Inc()
	if result == "error" && g.limits.failures.take(id.User, now) == 0 {
		g.metrics.pollsFailed.Inc()
	}
	g.metrics.pollDuration.WithLabelValues(client).Observe(took.Seconds())
	g.tuning.window.Polled(now, took)
	return true
}

// answerPoll returns the poll's result as metrics name it, and the items that were
// sent.
func (g *Gateway) answerPoll(rec *recorder, r *http.Request, who backend.Caller, transport rollout.Transport) (string, backend.Page) {
	h := rec.Header()
	h["Sluice-Transport"] = transportHeader[transport] // whoever is taken back goes, though polls fail
	if wait := g.limits.polls.take(who.User, rec.start); wait > 0 {
		rec.routine = true
		throttle(rec, wait)
		return "throttled", backend.Page{}
	}
	q, err := parseQuery(r.URL.RawQuery, limitsOf(g.live.Load().Poll))
	if err != nil {
		rec.err = err
		writeProblem(rec, http.StatusUnprocessableEntity, err.Error())
		return "refused", backend.Page{}
	}
	page, err := g.readPoll(r, who, q)
	if errors.Is(err, errTooMany) {
		rec.routine = true
		g.shed(rec)
		return "error", backend.Page{}
	}
	if err != nil {
		rec.err = err
		if status := writeFault(rec, err, g.pacing.retryAfter()); status < http.StatusInternalServerError {
			return "refused", backend.Page{}
		}
		return "error", backend.Page{}
	}
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["X-Poll-Interval"] = g.pacing.advice().header
	result := g.writePage(rec, q.Query, page)
	if result == "error" || q.Before != "" { // pages of the past are nobody's news
		page.Items = nil
	}
	return result, page
}

// readPoll reads what a poll asks for, unless too many do. Who takes their time to take
// the answer is none of them any more. A reader that comes from the legacy stream and
// has no place of its own yet is given one.
func (g *Gateway) readPoll(r *http.Request, who backend.Caller, q pollQuery) (backend.Page, error) {
	if !g.limits.reads.enter() {
		return backend.Page{}, errTooMany
	}
	defer g.limits.reads.leave()
	if q.Resume && q.After == "" && q.Before == "" {
		place, err := g.bridge.Resume(r.Context(), r, who)
		if err != nil {
			return backend.Page{}, err
		}
		q.After = place
	}
	return g.source.Read(r.Context(), who, q.Query)
}

func (g *Gateway) writePage(rec *recorder, q backend.Query, p backend.Page) string {
	cursor := p.Place
	if len(p.Items) == 0 && cursor == q.After {
		cursor = "" // an empty page carries a cursor only if it changed
	}
	if len(p.Items) == 0 && cursor == "" && !p.Reset {
		rec.routine = true
		_, _ = rec.Write(emptyAnswer)
		return "empty"
	}
	items := slices.Clone(p.Items) // the page may be shared with other polls
	slices.Reverse(items)
	if items == nil {
		items = []backend.Notification{}
	}
	body, err := json.Marshal(answer{items, cursor, p.More, p.Reset})
	if err != nil {
		rec.err = err
		writeProblem(rec, http.StatusInternalServerError, "the notifications could not be written")
		return "error"
	}
	_, _ = rec.Write(body)
	g.metrics.delivered.WithLabelValues("poll").Add(float64(len(items)))
	switch {
	case p.Reset:
		return "reset"
	case len(items) == 0:
		return "empty"
	}
	return "items"
}

// Header values that every poll carries, made once.
var (
	jsonType        = []string{"application/json"}
	noStore         = []string{"no-store"}
	transportHeader = map[rollout.Transport][]string{rollout.Poll: {"poll"}, rollout.SSE: {"sse"}}
)

// clientOf names the client for metrics; its version is its own business.
func clientOf(r *http.Request) string {
	version := r.Header.Get("Sluice-Client")
	switch {
	case version == "":
		return "native"
	case strings.HasPrefix(version, "drop-in"):
		return "drop-in"
	}
	return "sluice"
}
