package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"sluice/internal/servertest"
)

// As the gateway serves, a client's first poll over a connection is net/http's, and later
// ones never reach its server; those of others do.
func TestPollsTakeTheFastPath(t *testing.T) {
	g := newRig(t).gateway
	public, admin := local(t), local(t)
	var seen atomic.Int64
	handler := g.Handler()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- g.serve(ctx, listeners{public, admin}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			handler.ServeHTTP(w, r)
		}))
	}()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	poll := func(version ...string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+public.Addr().String()+pollPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: "access_token", Value: tokenFor(t, "alice")})
		if version != nil {
			req.Header["Sluice-Client"] = version
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK || string(body) != `{"notifications":[],"cursor":"0"}` || resp.Header.Get("Sluice-Transport") != "poll" {
			t.Errorf("%s %v %s", resp.Status, resp.Header, body)
		}
	}
	poll("1.0.0")
	if n := seen.Load(); n != 1 {
		t.Errorf("net/http saw %d of the first poll", n)
	}
	// Who asks again at once may find net/http not done with the last answer.
	servertest.Eventually(t, "a poll does not reach net/http's server", func() bool {
		before := seen.Load()
		poll("1.0.0")
		return seen.Load() == before
	})
	for _, other := range [][]string{nil, {""}} { // both are the app's, where a flag file says so
		before := seen.Load()
		poll(other...)
		if n := seen.Load() - before; n != 1 {
			t.Errorf("net/http saw %d of another client's poll", n)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func local(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
