package auth

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"sluice/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = []byte("a key of at least thirty-two bytes")

func verifier() *JWT {
	return NewJWT(JWTOptions{Cookie: "access_token", Claim: "user_id", Algorithms: []string{"HS256"}, Keys: [][]byte{key}})
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claims(user any, more ...any) jwt.MapClaims {
	c := jwt.MapClaims{"user_id": user, "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func request(cookie, header string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	if cookie != "" {
		r.Header.Set("Cookie", "other=1; access_token="+cookie)
	}
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	return r
}

func TestAuthenticate(t *testing.T) {
	good := sign(t, jwt.SigningMethodHS256, key, claims("alice"))
	for name, c := range map[string]struct {
		request *http.Request
		user    string
		via     backend.Via
	}{
		"cookie":                   {request(good, ""), "alice", backend.Cookie},
		"bearer":                   {request("", "Bearer "+good), "alice", backend.Bearer},
		"bearer in small letters":  {request("", "bearer "+good), "alice", backend.Bearer},
		"the cookie wins":          {request(good, "Bearer x"), "alice", backend.Cookie},
		"a number for a user":      {request(sign(t, jwt.SigningMethodHS256, key, claims(42)), ""), "42", backend.Cookie},
		"a user in other letters":  {request(sign(t, jwt.SigningMethodHS256, key, claims("Jürgen")), ""), "Jürgen", backend.Cookie},
		"a very long whole number": {request(sign(t, jwt.SigningMethodHS256, key, claims(int64(1)<<60)), ""), "1152921504606846976", backend.Cookie},
	} {
		id, err := verifier().Authenticate(c.request)
		if err != nil || id.User != c.user || id.Via != c.via || id.Token == "" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	none := sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims("alice"))
	good := sign(t, jwt.SigningMethodHS256, key, claims("alice"))
	hs256 := func(c jwt.MapClaims) string { return sign(t, jwt.SigningMethodHS256, key, c) }
	for name, token := range map[string]string{
		"alg none":             none,
		"another algorithm":    sign(t, jwt.SigningMethodHS512, key, claims("alice")),
		"another key":          sign(t, jwt.SigningMethodHS256, []byte("another"), claims("alice")),
		"expired":              hs256(claims("alice", "exp", time.Now().Add(-time.Second).Unix())),
		"no exp":               hs256(jwt.MapClaims{"user_id": "alice"}),
		"not yet valid":        hs256(claims("alice", "nbf", time.Now().Add(time.Hour).Unix())),
		"no user_id":           hs256(claims(nil)),
		"empty user_id":        hs256(claims("")),
		"a list for a user_id": hs256(claims([]string{"alice"})),
		"a fraction":           hs256(claims(1.5)),
		"control characters":   hs256(claims("a\nb")),
		"a user of 256 bytes":  hs256(claims(strings.Repeat("x", 256))),
		"signature cut off":    good[:strings.LastIndex(good, ".")+1],
		"changed":              good[:len(good)-4] + "AAAA",
		"no token":             "x",
		"9,000 bytes":          strings.Repeat("x", 9000),
	} {
		for _, r := range []*http.Request{request(token, ""), request("", "Bearer "+token)} {
			if id, err := verifier().Authenticate(r); err == nil {
				t.Errorf("%s: taken for %s", name, id.User)
			}
		}
	}
	for _, r := range []*http.Request{request("", ""), request("", "Basic YTpi"), request("", "Bearer")} {
		if _, err := verifier().Authenticate(r); !errors.Is(err, ErrMissing) {
			t.Errorf("%v: %v, want %v", r.Header, err, ErrMissing)
		}
	}
}

func TestAudienceAndIssuer(t *testing.T) {
	v := NewJWT(JWTOptions{Cookie: "c", Claim: "sub", Algorithms: []string{"HS256"}, Keys: [][]byte{key}, Audience: "web", Issuer: "app"})
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		ok     bool
	}{
		"both":             {claims(nil, "sub", "a", "aud", "web", "iss", "app"), true},
		"one of several":   {claims(nil, "sub", "a", "aud", []string{"x", "web"}, "iss", "app"), true},
		"another audience": {claims(nil, "sub", "a", "aud", "x", "iss", "app"), false},
		"another issuer":   {claims(nil, "sub", "a", "aud", "web", "iss", "x"), false},
		"neither":          {claims(nil, "sub", "a"), false},
	} {
		token := sign(t, jwt.SigningMethodHS256, key, c.claims)
		if _, err := v.Authenticate(request("", "Bearer "+token)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A token is good until exp, and not a moment longer; between, it is verified once.
func TestVerdictsAreRememberedUntilExp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier()
		r := request(sign(t, jwt.SigningMethodHS256, key, claims("alice", "exp", time.Now().Add(time.Hour).Unix())), "")
		if _, err := v.Authenticate(r); err != nil {
			t.Fatal(err)
		}
		v.keys.Load().secrets.Keys[0] = []byte("another") // shows what is verified again
		time.Sleep(time.Hour - time.Second)
		if _, err := v.Authenticate(r); err != nil {
			t.Errorf("a second before exp: %v", err)
		}
		v.keys.Load().secrets.Keys[0] = key
		time.Sleep(time.Second)
		if _, err := v.Authenticate(r); !errors.Is(err, jwt.ErrTokenExpired) {
			t.Errorf("at exp: %v", err)
		}
		if n := v.keys.Load().verified.short.Len(); n != 0 {
			t.Errorf("%d expired tokens stay remembered", n)
		}
	})
}

// While keys change, tokens of both are good; then only those of the new one, at once.
func TestKeysChangeWithoutARestart(t *testing.T) {
	older, newer := key, []byte("the next key, of thirty-two bytes")
	v := verifier()
	for name, c := range map[string]struct {
		keys         [][]byte
		older, newer bool
	}{
		"1 before": {[][]byte{older}, true, false},
		"2 both":   {[][]byte{newer, older}, true, true},
		"3 after":  {[][]byte{newer}, false, true},
		"4 none":   {nil, false, false},
	} {
		v.SetKeys(c.keys)
		for range 2 { // the second time from memory
			_, err := v.Authenticate(request(sign(t, jwt.SigningMethodHS256, older, claims("alice")), ""))
			if (err == nil) != c.older {
				t.Errorf("%s: the older key's token: %v", name, err)
			}
			if _, err = v.Authenticate(request(sign(t, jwt.SigningMethodHS256, newer, claims("alice")), "")); (err == nil) != c.newer {
				t.Errorf("%s: the newer key's token: %v", name, err)
			}
		}
	}
}

func TestOneTokensUserIsNotAnothers(t *testing.T) {
	v := verifier()
	for _, user := range []string{"alice", "bob", "alice"} {
		id, err := v.Authenticate(request(sign(t, jwt.SigningMethodHS256, key, claims(user)), ""))
		if err != nil || id.User != user {
			t.Errorf("%s: %+v, %v", user, id, err)
		}
	}
}
