package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// whose is an app that says whose a session is, while it is up.
type whose struct {
	*httptest.Server
	status  atomic.Int32 // instead of an answer, unless 0
	refused atomic.Int32 // questions that had no answer
	asked   atomic.Value // the header of the last question
	header  atomic.Value // of the last request for anything else
}

func newWhose(t *testing.T) *whose {
	a := &whose{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth/me" {
			a.header.Store(r.Header.Clone())
			fmt.Fprint(w, "the app: ", r.RequestURI)
			return
		}
		a.asked.Store(r.Header.Clone())
		if status := int(a.status.Load()); status != 0 {
			a.refused.Add(1)
			w.WriteHeader(status)
			return
		}
		c, err := r.Cookie("sid")
		if err != nil || !strings.HasPrefix(c.Value, "of-") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"user_id":%q}`, strings.TrimPrefix(c.Value, "of-"))
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *whose) forwarding(c *config.Config) {
	c.Upstream.URL, c.Auth.Mode, c.Auth.Cookie = a.URL, "forward", "sid"
	c.Compat.Heartbeat = 100 * time.Millisecond
}

func TestForwardMode(t *testing.T) {
	a := newWhose(t)
	r := newRig(t, a.forwarding)
	r.insert("alice", time.Hour, "a")
	r.insert("bob", time.Hour, "b")
	for _, user := range []string{"alice", "bob"} {
		if p := r.get("", "/api/notifications", "Cookie: sid=of-"+user).page(t); len(p.Notifications) != 1 || p.Notifications[0].ID != user[:1] {
			t.Errorf("%s got %+v", user, p)
		}
	}
	if got := r.get("", "/api/notifications", "Cookie: sid=x"); got.status != http.StatusUnauthorized {
		t.Errorf("a session that the app does not know: %d", got.status)
	}
	a.status.Store(http.StatusBadGateway)
	got := r.get("", "/api/notifications", "Cookie: sid=of-carol")
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "cannot be verified") {
		t.Errorf("while the app is down: %d %s", got.status, got.body)
	}
	if got := r.get("", "/_sluice/config", "Cookie: sid=of-carol"); got.status != http.StatusServiceUnavailable {
		t.Errorf("/_sluice/config while the app is down: %d", got.status)
	}
	if p := r.get("", "/api/notifications", "Cookie: sid=of-alice").page(t); len(p.Notifications) != 1 {
		t.Errorf("who was known a moment ago got %+v", p)
	}
}

// A stream whose reader cannot be told stays open, and goes on once it can.
func TestAStreamIsHeldWhileTheAppIsDown(t *testing.T) {
	a := newWhose(t)
	r := newRig(t, a.forwarding, withFlags(t, "poll", "bridge"))
	r.insert("alice", time.Hour, "a")
	a.status.Store(http.StatusServiceUnavailable)
	next := r.openStream("", "Cookie: sid=of-alice")
	next(": heartbeat")
	next(": heartbeat")
	a.status.Store(0)
	if got := next("data: "); !strings.Contains(got, `"id":"a"`) {
		t.Errorf("after the app came back: %s", got)
	}
}

// What the app answers and Sluice does not understand is a fault of the
// configuration: the app goes on serving its stream.
func TestAStreamIsPassedOnWhileItIsUnknownWhose(t *testing.T) {
	a := newWhose(t)
	r := newRig(t, a.forwarding, withFlags(t, "poll", "bridge"))
	a.status.Store(http.StatusNotFound)
	if got := r.get("", "/api/stream", "Cookie: sid=of-alice"); got.body != "the app: /api/stream" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.get("", "/api/notifications", "Cookie: sid=of-alice"); got.body != "the app: /api/notifications" {
		t.Errorf("a page that is not ours: %d %s", got.status, got.body)
	}
	if got := r.get("", "/api/notifications", "Cookie: sid=of-alice", "Sluice-Client: 1"); got.status != http.StatusServiceUnavailable {
		t.Errorf("our client: %d %s", got.status, got.body)
	}
}

// A stream that was held, and is not bridged once its reader is known, ends, so that
// its reader comes back for the app's own.
func TestAHeldStreamEndsWhereItIsNotBridged(t *testing.T) {
	for _, mode := range []string{"upstream", "retired"} {
		a := newWhose(t)
		r := newRig(t, a.forwarding, withFlags(t, "sse", mode))
		a.status.Store(http.StatusServiceUnavailable)
		done := make(chan reply)
		go func() { done <- r.get("", "/api/stream", "Cookie: sid=of-alice") }()
		servertest.Eventually(t, "the stream is held", func() bool { return a.refused.Load() > 0 })
		a.status.Store(0)
		got := <-done
		if got.status != http.StatusOK || !strings.HasSuffix(got.body, "\n\n") || strings.Contains(got.body, "the app") {
			t.Errorf("%s: %d %q", mode, got.status, got.body)
		}
		if retries := regexp.MustCompile(`retry: (\d+)`).FindAllStringSubmatch(got.body, -1); len(retries) != 2 || len(retries[1][1]) > 4 {
			t.Errorf("%s: asked back after %v ms", mode, retries)
		}
	}
}

// A held stream whose credential turns out to be bad is nobody's.
func TestAHeldStreamEndsIfItIsNobodys(t *testing.T) {
	a := newWhose(t)
	r := newRig(t, a.forwarding)
	a.status.Store(http.StatusServiceUnavailable)
	next := r.openStream("", "Cookie: sid=x")
	next(": held")
	a.status.Store(0)
	servertest.Eventually(t, "the stream ends", func() bool { return requestLines(r.logs, "outcome", "stream: held") == 1 })
	if got := r.get("", "/api/stream", "Cookie: sid=x"); got.status != http.StatusUnauthorized {
		t.Errorf("when it is back: %d %s", got.status, got.body)
	}
}

func TestHeaderMode(t *testing.T) {
	a := newWhose(t)
	const secret = "between the proxy and Sluice"
	r := newRig(t, func(c *config.Config) {
		c.Upstream.URL, c.Auth.Mode, c.Auth.Secret = a.URL, "header", config.NewSecret(secret)
	})
	r.insert("alice", time.Hour, "a")
	if p := r.get("", "/api/notifications", "X-User-Id: alice", "Sluice-Secret: "+secret).page(t); len(p.Notifications) != 1 {
		t.Errorf("alice got %+v", p)
	}
	if got := r.get("", "/api/notifications", "X-User-Id: alice"); got.status != http.StatusUnauthorized {
		t.Errorf("without the secret: %d", got.status)
	}
	sent := func(headers ...string) http.Header {
		r.get("", "/page", headers...)
		return a.header.Load().(http.Header)
	}
	if h := sent("X-User-Id: alice", "Sluice-Secret: "+secret, "X_User_Id: bob"); h.Get("X-User-Id") != "alice" || h.Get("Sluice-Secret") != "" || len(h["X_user_id"]) != 0 {
		t.Errorf("from a trusted proxy the app was sent %v", h)
	}
	if h := sent("X-User-Id: alice", "X_User_Id: bob"); h.Get("X-User-Id") != "" || len(h["X_user_id"]) != 0 {
		t.Errorf("from a client the app was sent %v", h)
	}
}

// The store that asks the app shows it the header which the app goes by.
func TestHeaderModeAsksTheAppAsTheUser(t *testing.T) {
	var header atomic.Value
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header.Store(r.Header.Clone())
		fmt.Fprint(w, `{"notifications":[]}`)
	}))
	defer app.Close()
	const secret = "between the proxy and Sluice"
	r := newRig(t, func(c *config.Config) {
		c.Upstream.URL, c.Store = app.URL, config.Store{Driver: "upstream"}
		c.Auth.Mode, c.Auth.Header, c.Auth.Secret = "header", "X-Remote-User", config.NewSecret(secret)
	})
	r.get("", "/api/notifications", "X-Remote-User: alice", "Sluice-Secret: "+secret).page(t)
	if h := header.Load().(http.Header); h.Get("X-Remote-User") != "alice" || h.Get("Cookie") != "" || h.Get("Sluice-Secret") != "" {
		t.Errorf("the app was asked with %v", h)
	}
}
