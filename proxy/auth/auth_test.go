package auth

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var key = []byte("a key of at least thirty-two bytes")

func verifier() *Verifier {
	return New(Options{Cookie: "access_token", Claim: "user_id", Algorithms: []string{"HS256"}, Key: key})
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
		bearer  bool
	}{
		"cookie":                   {request(good, ""), "alice", false},
		"bearer":                   {request("", "Bearer "+good), "alice", true},
		"bearer in small letters":  {request("", "bearer "+good), "alice", true},
		"the cookie wins":          {request(good, "Bearer x"), "alice", false},
		"a number for a user":      {request(sign(t, jwt.SigningMethodHS256, key, claims(42)), ""), "42", false},
		"a user in other letters":  {request(sign(t, jwt.SigningMethodHS256, key, claims("Jürgen")), ""), "Jürgen", false},
		"a very long whole number": {request(sign(t, jwt.SigningMethodHS256, key, claims(int64(1)<<60)), ""), "1152921504606846976", false},
	} {
		id, err := verifier().Authenticate(c.request)
		if err != nil || id.User != c.user || id.Bearer != c.bearer || id.Token == "" {
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
	v := New(Options{Cookie: "c", Claim: "sub", Algorithms: []string{"HS256"}, Key: key, Audience: "web", Issuer: "app"})
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

// A token that has been verified is good until exp, and not a moment longer.
func TestVerifiedTokensAreRememberedUntilTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier()
		r := request(sign(t, jwt.SigningMethodHS256, key, claims("alice")), "")
		for range 2 {
			if _, err := v.Authenticate(r); err != nil {
				t.Fatal(err)
			}
		}
		if v.known.Len() != 1 {
			t.Errorf("%d tokens remembered", v.known.Len())
		}
		v.options.Key = []byte("another") // what is remembered is not verified again
		time.Sleep(time.Hour - time.Second)
		if _, err := v.Authenticate(r); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := v.Authenticate(r); !errors.Is(err, jwt.ErrTokenExpired) {
			t.Errorf("at exp: %v", err)
		}
		if v.known.Len() != 0 {
			t.Error("an expired token stays remembered")
		}
	})
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
