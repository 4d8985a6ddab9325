package auth

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/internal/uptime"
)

// verifiedFor is how long the verification of a token by a published key counts, since
// the key may be taken back. What a secret has verified is forgotten with the secret.
const verifiedFor = time.Minute

// JWTOptions say what a good token is.
type JWTOptions struct {
	Cookie     string   // name of the cookie
	Claim      string   // the claim that names the user
	Algorithms []string // the only ones accepted
	Audience   string   // required aud, if any
	Issuer     string   // required iss, if any
	Keys       [][]byte // for HS256, HS384 and HS512
	Published  *JWKS    // for all others; nil: there are none
}

// JWT verifies the app's own tokens, from a cookie or Authorization: Bearer.
type JWT struct {
	options JWTOptions
	parser  *jwt.Parser
	keys    atomic.Pointer[keyring]
}

// keyring is a set of secrets, with what they verified.
type keyring struct {
	secrets  jwt.VerificationKeySet
	verified verdicts
}

// NewJWT prepares a verifier.
func NewJWT(o JWTOptions) *JWT {
	rules := []jwt.ParserOption{
		jwt.WithValidMethods(o.Algorithms), jwt.WithExpirationRequired(), jwt.WithJSONNumber(),
	}
	if o.Audience != "" {
		rules = append(rules, jwt.WithAudience(o.Audience))
	}
	if o.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(o.Issuer))
	}
	v := &JWT{options: o, parser: jwt.NewParser(rules...)}
	v.SetKeys(o.Keys)
	return v
}

// Close stops reading the published keys.
func (v *JWT) Close() {
	if v.options.Published != nil {
		v.options.Published.Close()
	}
}

// SetKeys replaces the secrets, without a restart. Tokens signed with one that is
// no longer there are refused from now on.
func (v *JWT) SetKeys(keys [][]byte) {
	k := &keyring{verified: newVerdicts()}
	for _, key := range keys {
		k.secrets.Keys = append(k.secrets.Keys, key)
	}
	v.keys.Store(k)
}

// Authenticate implements Authenticator.
func (v *JWT) Authenticate(r *http.Request) (Identity, error) {
	c, err := credential(r, v.options.Cookie)
	if err != nil {
		return Identity{}, err
	}
	keys, hash := v.keys.Load(), hashOf(c)
	found, ok := keys.verified.get(hash)
	if !ok {
		if found, err = v.verify(c.Token, keys); err != nil {
			return Identity{}, err
		}
		keys.verified.add(hash, found)
	}
	c.User = found.user
	return Identity{c, time.UnixMicro(found.expires)}, nil
}

func (v *JWT) verify(text string, keys *keyring) (verdict, error) {
	claims := jwt.MapClaims{}
	token, err := v.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) { return v.keyOf(t, keys) })
	if err != nil {
		return verdict{}, err
	}
	user, err := name(claims[v.options.Claim])
	if err != nil {
		return verdict{}, fmt.Errorf("claim %s: %w", v.options.Claim, err)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return verdict{}, err
	}
	found := verdict{user: user, expires: expires.UnixMicro(), until: math.MaxInt64}
	if !bySecret(token) {
		found.until = uptime.At(time.Now().Add(verifiedFor))
	}
	return found, nil
}

func bySecret(t *jwt.Token) bool {
	_, ok := t.Method.(*jwt.SigningMethodHMAC)
	return ok
}

// keyOf finds the keys for a token by the kind of its algorithm, so that a public
// key is never taken for a secret (RFC 8725, section 3.1).
func (v *JWT) keyOf(t *jwt.Token, keys *keyring) (any, error) {
	if bySecret(t) {
		if len(keys.secrets.Keys) == 0 {
			return nil, errors.New("there is no key for " + t.Method.Alg())
		}
		return keys.secrets, nil
	}
	if v.options.Published == nil {
		return nil, errors.New("there are no published keys for " + t.Method.Alg())
	}
	return v.options.Published.key(t)
}
