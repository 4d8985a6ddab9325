package auth

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// app answers questions in memory, so that time can be a test's.
type app struct {
	mu     sync.Mutex
	users  map[string]string // the body for each credential, as Cookie or Authorization has it
	status int               // instead of an answer, unless 0
	err    error
	takes  time.Duration
	asked  []string // credentials
	header http.Header
}

func (a *app) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.header = r.Header.Clone()
	shown := r.Header.Get("Cookie") + r.Header.Get("Authorization")
	if r.URL.Host == "elsewhere" { // where a redirect leads
		a.mu.Unlock()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"user_id":"eve"}`)), Request: r}, nil
	}
	a.asked = append(a.asked, shown)
	status, err, takes, body, known := a.status, a.err, a.takes, a.users[shown], a.users[shown] != ""
	a.mu.Unlock()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(takes):
	}
	switch {
	case err != nil:
		return nil, err
	case status == 0 && known:
		status = http.StatusOK
	case status == 0:
		status = http.StatusUnauthorized
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"http://elsewhere/"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (a *app) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

func (a *app) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func forwarding(a *app) *Forward {
	f := NewForward(ForwardOptions{URL: "http://app/auth/me", Cookie: "access_token", Timeout: 5 * time.Second})
	f.client.Transport = a
	return f
}

func TestForwardAsksTheApp(t *testing.T) {
	a := &app{users: map[string]string{
		"access_token=a": `{"user_id":"alice","role":"admin"}`, "Bearer b": `{"user_id":42}`, "access_token=b": `{"user_id":"another"}`,
	}}
	f := forwarding(a)
	for name, c := range map[string]struct {
		request *http.Request
		user    string
	}{
		"cookie":                            {request("a", ""), "alice"},
		"bearer, a number":                  {request("", "bearer b"), "42"},
		"the same text as a cookie":         {request("b", ""), "another"},
		"the cookie wins":                   {request("a", "Bearer b"), "alice"},
		"what the app knows nothing about":  {request("c", ""), ""},
		"what the app knows as a cookie":    {request("", "Bearer a"), ""},
		"something else in the credential":  {request("", "Basic b"), ""},
		"9,000 bytes, which are not shown":  {request(strings.Repeat("x", 9000), ""), ""},
		"no credential, which is not asked": {request("", ""), ""},
	} {
		id, err := f.Authenticate(c.request)
		if id.User != c.user || (err == nil) != (c.user != "") || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	r := request("a", "")
	r.Header.Set("X-Other", "1")
	r.Header.Add("Cookie", "tracking=2")
	f = forwarding(a)
	if _, err := f.Authenticate(r); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(a.header)); !slices.Equal(got, []string{"Accept", "Cookie", "User-Agent"}) || a.header.Get("Cookie") != "access_token=a" {
		t.Errorf("the app was shown %v", a.header)
	}
}

func TestForwardBelievesForTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &app{users: map[string]string{"access_token=a": `{"user_id":"alice"}`}, takes: 2 * time.Second}
		f := forwarding(a)
		ask := func() error { _, err := f.Authenticate(request("a", "")); return err }
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		a.change(func() { a.takes, a.users = 0, nil }) // signed out
		time.Sleep(8*time.Second - 1)                  // its question was asked 2 s before its answer came
		if err := ask(); err != nil || a.questions() != 1 {
			t.Errorf("just before 10 s: %v after %d questions", err, a.questions())
		}
		time.Sleep(time.Nanosecond)
		if err := ask(); err == nil || a.questions() != 2 {
			t.Errorf("at 10 s: %v after %d questions", err, a.questions())
		}
		a.change(func() { a.users = map[string]string{"access_token=a": `{"user_id":"bob"}`} }) // signed in
		time.Sleep(time.Second - 1)
		if err := ask(); err == nil || a.questions() != 2 {
			t.Errorf("a refusal just before 1 s: %v after %d questions", err, a.questions())
		}
		time.Sleep(time.Nanosecond)
		if id, err := f.Authenticate(request("a", "")); err != nil || id.User != "bob" || time.Until(id.Expires) < time.Hour {
			t.Errorf("a refusal after 1 s: %+v, %v", id, err)
		}
	})
}

// Nobody is let in and nobody is signed out by an app that is in trouble, and its
// trouble is not remembered.
func TestForwardWithAnAppInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := map[string]string{"access_token=a": `{"user_id":"alice"}`}
		body := func(b string) *app { return &app{users: map[string]string{"access_token=a": b}} }
		for name, c := range map[string]struct {
			app    *app
			silent bool
		}{
			"unreachable":          {&app{err: errors.New("refused")}, true},
			"too slow":             {&app{takes: time.Minute}, true},
			"502":                  {&app{status: 502}, true},
			"404":                  {&app{status: 404}, false},
			"a redirect":           {&app{status: 302}, false},
			"429":                  {&app{status: 429}, false},
			"a page":               {body("<!doctype html>"), false},
			"no user":              {body(`{}`), false},
			"an empty user":        {body(`{"user_id":""}`), false},
			"null":                 {body(`{"user_id":null}`), false},
			"a list":               {body(`{"user_id":["alice"]}`), false},
			"control characters":   {body(`{"user_id":"a\nb"}`), false},
			"more than 64 KiB":     {body(`{"user_id":"alice"` + strings.Repeat(" ", 64<<10) + "}"), false},
			"half of an answer":    {body(`{"user_id":"alice"`), false},
			"a fraction of a user": {body(`{"user_id":1.5}`), false},
		} {
			f := forwarding(c.app)
			id, err := f.Authenticate(request("a", ""))
			if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrSilent) != c.silent || id.User != "" {
				t.Errorf("%s: %+v, %v", name, id, err)
			}
			c.app.change(func() { c.app.users, c.app.status, c.app.err, c.app.takes = good, 0, nil, 0 })
			if id, err = f.Authenticate(request("a", "")); err != nil || id.User != "alice" {
				t.Errorf("after %s: %+v, %v", name, id, err)
			}
		}
	})
}

// A hundred tabs of one session ask once; other sessions ask for themselves, and who
// goes away takes nothing from the others.
func TestForwardSharesQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &app{takes: time.Second, users: map[string]string{"access_token=a": `{"user_id":"alice"}`, "access_token=b": `{"user_id":"bob"}`}}
		f := forwarding(a)
		gone, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { _, err := f.Authenticate(request("a", "").WithContext(gone)); left <- err }()
		synctest.Wait()
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				credential, user := "a", "alice"
				if i%2 == 1 {
					credential, user = "b", "bob"
				}
				if id, err := f.Authenticate(request(credential, "")); err != nil || id.User != user {
					t.Errorf("%s: %+v, %v", credential, id, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who went away: %v", err)
		}
		all.Wait()
		if n := a.questions(); n != 2 {
			t.Errorf("%d questions about two credentials", n)
		}
	})
}
