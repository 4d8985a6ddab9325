package e2e

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// Requests and credentials go where the operator said, and not to a proxy that the
// environment names. These hosts exist nowhere, so only a proxy could answer for them.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	var asked atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer trap.Close()
	for name, auth := range map[string][]string{
		"forward": {"SLUICE_AUTH_MODE=forward", "SLUICE_AUTH_COOKIE=access_token"},
		"keys":    {"SLUICE_AUTH_ALGORITHMS=RS256", "SLUICE_AUTH_JWKS_URL=http://keys.invalid/jwks.json"},
		"jwt":     {"SLUICE_AUTH_KEY=" + key},
	} {
		sluice := start(t, append(auth, "SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_UPSTREAM_URL=http://app.invalid", "SLUICE_REDIS_URL=",
			"HTTP_PROXY="+trap.URL, "http_proxy="+trap.URL, "HTTPS_PROXY="+trap.URL, "ALL_PROXY="+trap.URL, "NO_PROXY=", "no_proxy="), "sluice", "serve")
		somebody := &user{name: "alice", cookie: cookieOf("alice"), base: "http://" + sluice.Logged("serving")["listen"].(string), client: &http.Client{Transport: &http.Transport{}}}
		for _, target := range []string{"/page", "/api/notifications", "/_sluice/config"} {
			if status, body, err := somebody.get(t, target); err != nil || status == http.StatusOK && target != "/_sluice/config" {
				t.Errorf("%s: %s: %d %s, %v", name, target, status, body, err)
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the proxy of the environment was asked %d times", n)
	}
}
