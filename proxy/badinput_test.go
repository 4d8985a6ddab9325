package proxy

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/backend"
	"sluice/proxy/config"
)

// What clients may send, over the whole way: refused with the reason, or answered
// with the newest page.
func TestBadQueries(t *testing.T) {
	r := newRig(t)
	r.insert("alice", time.Minute, "a")
	bobs := backend.Cursor{Key: backend.Key{At: time.Now().UnixMicro(), ID: "x"}}.Seal("bob")
	for query, c := range map[string]struct {
		status int
		want   string
	}{
		"limit=0": {200, `"id":"a"`}, "limit=-1": {200, `"id":"a"`}, "limit=101": {200, `"id":"a"`},
		"limit=abc": {422, "limit: want a whole number"}, "limit=": {422, "limit: want a whole number"}, "limit=1&limit=2": {422, "limit: given more than once"},
		"after_id=" + strings.Repeat("x", 256):    {200, `"reset":true`},
		"after_id=" + strings.Repeat("x", 257):    {422, "after_id: longer than 256 bytes"},
		"before_id=" + strings.Repeat("%41", 257): {422, "before_id: longer than 256 bytes"},
		"after_id=a%00b":                          {422, "after_id: contains NUL"},
		"after_id=%ff":                            {422, "after_id: not UTF-8"},
		"after_id=%27%22;--":                      {200, `"reset":true`},
		"after_id='\"":                            {200, `"reset":true`},
		"after_id=" + bobs:                        {200, `"reset":true`},
		"before_id=" + bobs:                       {200, `"reset":true`},
		"after_id=a&before_id=a":                  {422, "only one of them"},
		"after_id=a&after_id=a":                   {422, "after_id: given more than once"},
		"&&;=&limit&":                             {422, "limit: want a whole number"},
		"anything=else&user_id=bob&a[]=":          {200, `"id":"a"`},
	} {
		x := perform(t, r.public.URL, raw("", "GET /api/notifications?"+query+" HTTP/1.1", "Host: x", "Cookie: access_token="+tokenFor(t, "alice")))
		if x.Status != c.status || !strings.Contains(x.Body, c.want) {
			t.Errorf("%.40s: %d %s", query, x.Status, x.Body)
		}
		if problem := x.Header.Get("Content-Type") == "application/problem+json"; problem != (c.status != 200) {
			t.Errorf("%.40s: %s", query, x.Header.Get("Content-Type"))
		}
	}
}

// A token that is not good is no token, for polls and streams alike.
func TestBadTokens(t *testing.T) {
	r := newRig(t)
	r.insert("alice", time.Minute, "a")
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	soon, past := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Second).Unix()
	for name, token := range map[string]string{
		"alg none":     sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"user_id": "alice", "exp": soon}),
		"another alg":  sign(jwt.SigningMethodHS512, []byte(testKey), jwt.MapClaims{"user_id": "alice", "exp": soon}),
		"a wrong key":  sign(jwt.SigningMethodHS256, []byte("wrong"), jwt.MapClaims{"user_id": "alice", "exp": soon}),
		"expired":      sign(jwt.SigningMethodHS256, []byte(testKey), jwt.MapClaims{"user_id": "alice", "exp": past}),
		"without exp":  sign(jwt.SigningMethodHS256, []byte(testKey), jwt.MapClaims{"user_id": "alice"}),
		"without user": sign(jwt.SigningMethodHS256, []byte(testKey), jwt.MapClaims{"sub": "alice", "exp": soon}),
		"nonsense":     "x.y.z",
	} {
		for _, header := range []string{"Cookie: access_token=" + token, "Authorization: Bearer " + token} {
			for _, target := range []string{"/api/notifications", "/api/stream", "/_sluice/config"} {
				if reply := r.get("", target, header); reply.status != http.StatusUnauthorized || reply.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s, %.10s, %s: %d %s", name, header, target, reply.status, reply.body)
				}
			}
		}
	}
}

// A bridged stream outlives whatever the app answers.
func TestStreamOverABadApp(t *testing.T) {
	for name, app := range map[string]http.HandlerFunc{
		"refuses the credential": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"fails":                  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"answers HTML":           func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"answers half a JSON":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"notifications":[{`)) },
		"answers 10 MB":          func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 10<<20)) },
		"never answers":          func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(app)
			defer server.Close()
			r := newRig(t, func(c *config.Config) {
				c.Store.Driver, c.Store.DSN = "upstream", config.Secret{}
				c.Upstream.URL, c.Upstream.Timeout, c.Compat.Heartbeat = server.URL, 200*time.Millisecond, 300*time.Millisecond
			})
			conn := dial(t, r.public.URL)
			send(t, conn, raw("", "GET /api/stream HTTP/1.1", "Host: x", "Cookie: access_token="+tokenFor(t, "alice")))
			in := bufio.NewReader(conn)
			if status := readUntil(t, in, "\r\n"); !strings.HasPrefix(status, "HTTP/1.1 200 ") {
				t.Fatal(status)
			}
			// The second retry says that there is trouble; life goes on after it.
			readUntil(t, in, "retry: ")
			readUntil(t, in, "retry: 1")
			readUntil(t, in, ": heartbeat\n\n")
		})
	}
}
