package demo

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func TestWhoIsSignedIn(t *testing.T) {
	a := newApp(t)
	hour := time.Now().Add(time.Hour).Unix()
	past := time.Now().Add(-time.Hour).Unix()
	alice := tokenOf(t, "alice")
	hs256 := jwt.SigningMethodHS256
	tests := []struct{ name, cookie, authorization, want string }{
		{"nobody", "", "", ""},
		{"cookie", alice, "", "alice"},
		{"bearer", "", "Bearer " + alice, "alice"},
		{"bearer, lower case", "", "bearer " + alice, "alice"},
		{"cookie before bearer", alice, "Bearer " + tokenOf(t, "bob"), "alice"},
		{"a bad cookie is not rescued by a bearer", "bad", "Bearer " + alice, ""},
		{"other scheme", "", "Basic " + alice, ""},
		{"any user of the key", tokenOf(t, "user-17"), "", "user-17"},
		{"not yet expired", signedWith(t, hs256, testKey, jwt.MapClaims{"user_id": "alice", "exp": hour}), "", "alice"},
		{"expired", signedWith(t, hs256, testKey, jwt.MapClaims{"user_id": "alice", "exp": past}), "", ""},
		{"other key", signedWith(t, hs256, []byte("other"), jwt.MapClaims{"user_id": "alice"}), "", ""},
		{"other method", signedWith(t, jwt.SigningMethodHS512, testKey, jwt.MapClaims{"user_id": "alice"}), "", ""},
		{"unsigned", signedWith(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"user_id": "alice"}), "", ""},
		{"no user", signedWith(t, hs256, testKey, jwt.MapClaims{"sub": "alice"}), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/auth/me", nil)
			if tt.cookie != "" {
				r.AddCookie(&http.Cookie{Name: "access_token", Value: tt.cookie})
			}
			r.Header.Set("Authorization", tt.authorization)
			w := answer(a, r)
			status, body := 200, `{"user_id":"`+tt.want+`"}`
			if tt.want == "" {
				status, body = 401, `{"detail":"Authentication required"}`
			}
			if w.Code != status || w.Body.String() != body {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, body)
			}
		})
	}
}

func TestSignInIsRequired(t *testing.T) {
	a := newApp(t)
	for _, route := range []string{
		"GET /auth/me", "GET /api/notifications", "GET /api/notifications?limit=x", "GET /api/stream",
		"GET /api/pipelines/stream", "POST /jobs", "POST /api/notifications/n1/seen", "POST /api/notifications/n1/dismiss",
	} {
		method, target, _ := strings.Cut(route, " ")
		w := answer(a, httptest.NewRequest(method, target, nil))
		if w.Code != 401 || w.Body.String() != `{"detail":"Authentication required"}` {
			t.Errorf("%s: %d %s", route, w.Code, w.Body)
		}
	}
}

func TestCSRF(t *testing.T) {
	a := newApp(t)
	put(t, a, "n1", 1)
	tests := []struct {
		name, cookie, header, field string
		status                      int
	}{
		{"header", "t", "t", "", 200},
		{"form field", "t", "", "t", 200},
		{"neither", "t", "", "", 403},
		{"other", "t", "u", "", 403},
		{"the header counts first", "t", "u", "t", 403},
		{"no cookie", "", "t", "", 403},
		{"both empty", "", "", "", 403},
	}
	for _, path := range []string{"/api/notifications/n1/seen", "/api/notifications/n1/dismiss", "/jobs"} {
		for _, tt := range tests {
			t.Run(path+" "+tt.name, func(t *testing.T) {
				form := url.Values{"csrf_token": {tt.field}}
				r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Authorization", "Bearer "+tokenOf(t, "alice"))
				r.Header.Set("X-CSRF-Token", tt.header)
				r.AddCookie(&http.Cookie{Name: "csrf_token", Value: tt.cookie})
				want := tt.status
				if want == 200 && path == "/jobs" {
					want = 202
				}
				if w := answer(a, r); w.Code != want {
					t.Errorf("%d %s, want %d", w.Code, w.Body, want)
				}
			})
		}
	}
}

func signIn(a *App, user string) *http.Response {
	r := httptest.NewRequest("POST", "/login", strings.NewReader("user="+user))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answer(a, r).Result()
}

func TestLogin(t *testing.T) {
	a := newApp(t)
	for _, user := range []string{"alice", "bob", "carol"} {
		w := signIn(a, user)
		if w.StatusCode != 303 || w.Header.Get("Location") != "/" {
			t.Errorf("%s: %d to %q", user, w.StatusCode, w.Header.Get("Location"))
		}
		var got []string
		for _, c := range w.Cookies() {
			got = append(got, strings.Replace(c.Raw, c.Value, "?", 1))
		}
		want := []string{
			"access_token=?; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax",
			"csrf_token=?; Path=/; Max-Age=43200; SameSite=Lax",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		var c claims
		if _, _, err := jwt.NewParser().ParseUnverified(w.Cookies()[0].Value, &c); err != nil {
			t.Fatal(err)
		}
		left := time.Until(c.ExpiresAt.Time)
		if c.UserID != user || left < sessionLength-time.Minute || left > sessionLength {
			t.Errorf("%s: token of %q for %v", user, c.UserID, left)
		}
	}
	for _, user := range []string{"", "mallory", "Alice"} {
		if w := signIn(a, user); w.StatusCode != 400 || len(w.Cookies()) != 0 {
			t.Errorf("%q: %d, cookies %v", user, w.StatusCode, w.Cookies())
		}
	}
}

func TestLogout(t *testing.T) {
	w := answer(newApp(t), httptest.NewRequest("POST", "/logout", nil)).Result()
	want := []string{
		"access_token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		"csrf_token=; Path=/; Max-Age=0; SameSite=Lax",
	}
	if diff := cmp.Diff(want, w.Header.Values("Set-Cookie")); diff != "" || w.StatusCode != 303 {
		t.Error(w.StatusCode, diff)
	}
}
