package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
	"sluice/rollout/control"
)

// peopleFlags is what people wrote: two users are named, and the others on SSE. %q
// is the state of notifications-transport.
const peopleFlags = `{"flags": {
  "notifications-transport": {"state": %q, "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "sse",
    "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["polly"]]}, "poll", {"in": [{"var": "targetingKey"}, ["sid"]]}, "sse",
      {"fractional": [["poll", 0], ["sse", 100]]}]}},
  "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge", "retired": "retired"}, "defaultVariant": "upstream"}}}`

// withRollout gives a gateway a rollout of its own, of these steps and what else the
// spec says.
func withRollout(t *testing.T, spec string) func(*config.Config) {
	t.Helper()
	flags, file := write(t, "flags.json", fmt.Sprintf(peopleFlags, "ENABLED")), write(t, "rollout.yaml", rolloutHead+"spec: {"+spec+"}\n")
	return func(c *config.Config) {
		c.Rollout.Flags, c.Rollout.Spec = flags, file
		c.Admin.Token = config.NewSecret(adminToken)
	}
}

// withRedis lets gateways share a Redis.
func withRedis(server *servertest.Redis) func(*config.Config) {
	return func(c *config.Config) {
		c.Redis.URL, c.Redis.Timeout = config.NewSecret(server.URL), time.Second
	}
}

// rolloutRig is a gateway that takes part in its rollout.
func rolloutRig(t *testing.T, change ...func(*config.Config)) *rig {
	t.Helper()
	r := newRig(t, change...)
	r.watch()
	return r
}

// status is what GET /rollout says.
func (r *rig) status() (s rolloutStatus) {
	r.t.Helper()
	answer := r.admin("/rollout")
	if err := json.Unmarshal([]byte(answer.body), &s); err != nil || answer.status != http.StatusOK {
		r.t.Fatalf("%d %s %v", answer.status, answer.body, err)
	}
	return s
}

// waitFor waits until the rollout is somewhere.
func (r *rig) waitFor(what string, holds func(rolloutStatus) bool) (s rolloutStatus) {
	r.t.Helper()
	servertest.Eventually(r.t, what, func() bool { s = r.status(); return holds(s) })
	return s
}

func (r *rig) waitForWeight(weight int) rolloutStatus {
	r.t.Helper()
	return r.waitFor(fmt.Sprint("weight ", weight), func(s rolloutStatus) bool { return s.Phase != "" && s.Weight == weight })
}

func (r *rig) waitForPhase(phase control.Phase) rolloutStatus {
	r.t.Helper()
	return r.waitFor(string(phase), func(s rolloutStatus) bool { return s.Phase == phase })
}

// post sends a command with an Authorization.
func (r *rig) post(verb, body, authorization string) reply {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, "/rollout/"+verb, strings.NewReader(body))
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	r.gateway.AdminHandler().ServeHTTP(w, req)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// command sends one with the token, and wants it obeyed.
func (r *rig) command(verb, body string) (s rolloutStatus) {
	r.t.Helper()
	answer := r.post(verb, body, "Bearer "+adminToken)
	if err := json.Unmarshal([]byte(answer.body), &s); err != nil || answer.status != http.StatusOK {
		r.t.Fatalf("%s: %d %s", verb, answer.status, answer.body)
	}
	return s
}

// detail is what a problem says.
func (r reply) detail() string {
	var p problem
	_ = json.Unmarshal([]byte(r.body), &p)
	return p.Detail
}

// share is how many of 200 users are on poll.
func (r *rig) share() (polling int) {
	for i := range 200 {
		if r.gateway.flags.Transport(r.t.Context(), fmt.Sprint("user-", i)) == "poll" {
			polling++
		}
	}
	return polling
}

// transport is what a user's client is told.
func (r *rig) transport(user string) string {
	r.t.Helper()
	return r.get(user, "/api/notifications", "Sluice-Client: test").header.Get("Sluice-Transport")
}

func stateIn(t *testing.T) func(*config.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollout.state")
	return func(c *config.Config) { c.Rollout.State = path }
}
