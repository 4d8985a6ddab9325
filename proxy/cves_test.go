package proxy

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"sluice/proxy/config"
)

// What has gone wrong in other proxies, one test each, named after it. The app of these
// tests believes X-User-Id and X-Forwarded-*, as apps behind a proxy do.

const cveSecret = "between the proxy and Sluice"

// behindHeaders is a gateway that goes by a header, before an app that says what it was
// sent.
func behindHeaders(t *testing.T) (r *rig, sent func(headers ...string) http.Header) {
	t.Helper()
	a := newWhose(t)
	r = newRig(t, func(c *config.Config) {
		c.Upstream.URL, c.Auth.Mode, c.Auth.Secret = a.URL, "header", config.NewSecret(cveSecret)
	})
	return r, func(headers ...string) http.Header {
		t.Helper()
		perform(t, r.public.URL, raw("", append([]string{"GET /page HTTP/1.1", "Host: app.test"}, headers...)...))
		return a.header.Load().(http.Header)
	}
}

// variable is what the most careless server makes of a header's name.
func variable(name string) string {
	return strings.ToUpper(regexp.MustCompile("[^A-Za-z0-9]").ReplaceAllString(name, "_"))
}

// wantAs fails unless the app is told these values of a header, in no spelling but its
// own.
func wantAs(t *testing.T, h http.Header, name string, want ...string) {
	t.Helper()
	for other, got := range h {
		if variable(other) == variable(name) && (other != name || len(want) == 0 || len(got) != len(want) || got[0] != want[0]) {
			t.Errorf("the app was sent %s: %q, want %s: %q", other, got, name, want)
		}
	}
	if len(want) > 0 && h.Get(name) != want[0] {
		t.Errorf("the app was sent %s: %q, want %q", name, h.Get(name), want)
	}
}

// Caddy's forward_auth handed an identity header of the client's on to the app, when the
// service that it had asked set none. Here such a header reaches the app only if a proxy
// that is trusted has sent it with the secret, and a service that is asked is asked with
// the credential alone: nothing else that the client says makes it somebody.
func TestCVE_2026_30851(t *testing.T) {
	_, sent := behindHeaders(t)
	wantAs(t, sent("X-User-Id: admin"), "X-User-Id")
	wantAs(t, sent("X-User-Id: admin", "Sluice-Secret: guessed"), "X-User-Id")
	wantAs(t, sent("X-User-Id: alice", "X-User-Id: admin", "Sluice-Secret: "+cveSecret), "X-User-Id")
	wantAs(t, sent("X-User-Id: alice", "Sluice-Secret: "+cveSecret), "X-User-Id", "alice")

	a := newWhose(t)
	r := newRig(t, a.forwarding)
	r.insert("alice", 0, "hers")
	r.insert("admin", 0, "not-hers")
	p := r.get("", "/api/notifications", "Cookie: sid=of-alice", "X-User-Id: admin", "X-Forwarded-User: admin").page(t)
	if len(p.Notifications) != 1 || p.Notifications[0].ID != "hers" {
		t.Errorf("alice, who says she is admin, got %+v", p)
	}
	if h := a.asked.Load().(http.Header); h.Get("X-User-Id") != "" || h.Get("X-Forwarded-User") != "" {
		t.Errorf("the app was asked with %v", h)
	}
}

// Caddy removed the header that it had been told to, and not X_User_Id, which PHP and
// CGI make the same variable of; nor did Traefik remove X.User.Id later. Here no other
// spelling reaches the app, not even beside a header that is good.
func TestCVE_2026_52845(t *testing.T) {
	_, sent := behindHeaders(t)
	aliases := []string{"X_User_Id: admin", "X-User_Id: admin", "x_user-id: admin", "X.User.Id: admin", "X-User.Id: admin", "X~User~Id: admin", "X_USER_ID: admin"}
	wantAs(t, sent(aliases...), "X-User-Id")
	wantAs(t, sent(append(aliases, "X-User-Id: alice", "Sluice-Secret: "+cveSecret)...), "X-User-Id", "alice")
}

// oauth2-proxy removed X-Forwarded-*, and not X_Forwarded_*, which WSGI and PHP read as
// the same. Here no other spelling reaches the app, whoever sends it.
func TestCVE_2025_64484(t *testing.T) {
	_, sent := behindHeaders(t)
	h := sent("X_Forwarded_User: admin", "X-Forwarded_Email: admin@app.test", "x_forwarded-groups: admin", "X_FORWARDED_FOR: 192.0.2.1", "X.Forwarded.Host: h", "X_Real_IP: 192.0.2.1",
		"X-Forwarded-Proto: https")
	for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Host", "X-Real-Ip"} {
		wantAs(t, h, name)
	}
	wantAs(t, h, "X-Forwarded-For", "127.0.0.1")
	wantAs(t, h, "X-Forwarded-Proto", "https") // this proxy is trusted
}

// Traefik removed the fields that a client names in Connection after it had set its own,
// X-Forwarded-Host and X-Real-Ip among them. Here nothing that a proxy has said, and
// nothing that tells whose a request is, can be taken away like that.
func TestCVE_2024_45410(t *testing.T) {
	r, sent := behindHeaders(t)
	r.insert("alice", 0, "hers")
	said := []string{
		"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: h", "X-Forwarded-Port: 443", "X-Forwarded-Proto: https", "X-Forwarded-Server: s", "X-Real-Ip: 192.0.2.1", "Forwarded: for=192.0.2.1",
		"X-User-Id: alice", "Sluice-Secret: " + cveSecret, "Cookie: a=1",
		"Connection: close, X-Forwarded-For, X-Forwarded-Host, x-forwarded-port, X-Forwarded-Proto, X-Forwarded-Server, X-Real-IP, Forwarded, X-User-Id, Sluice-Secret, Cookie",
	}
	h := sent(said...)
	for name, want := range map[string]string{
		"X-Forwarded-For": "192.0.2.1, 127.0.0.1", "X-Forwarded-Host": "h", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https", "X-Forwarded-Server": "s",
		"X-Real-Ip": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X-User-Id": "alice", "Cookie": "a=1",
	} {
		wantAs(t, h, name, want)
	}
	wantAs(t, h, "Sluice-Secret") // and what must not get there does not, named or not
	x := perform(t, r.public.URL, raw("", append([]string{"GET /api/notifications HTTP/1.1", "Host: app.test"}, said...)...))
	if p := (reply{x.Status, x.Header, x.Body}).page(t); len(p.Notifications) != 1 {
		t.Errorf("alice got %+v", p)
	}
}
