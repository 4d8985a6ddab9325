// Package auth tells whose request it is, from the app's own token: a JWT in a
// cookie or, without that cookie, in Authorization: Bearer. It fails closed:
// whatever cannot be verified has no user.
package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"sluice/backend"
)

const (
	// maxToken is the longest token that is looked at, in bytes; browsers keep no
	// cookie over 4,096.
	maxToken = 8192
	// maxUser is the longest user id, in bytes.
	maxUser = 255
	// remembered is how many verified tokens are kept, about 200 bytes each.
	remembered = 1 << 16
)

// Options say what a good token is.
type Options struct {
	Cookie     string   // name of the cookie
	Claim      string   // the claim that names the user
	Algorithms []string // the only ones accepted: HS256, HS384, HS512
	Key        []byte
	Audience   string // required aud, if any
	Issuer     string // required iss, if any
}

// Identity is who a request comes from.
type Identity struct {
	backend.Caller
	Expires time.Time // from then on the credential is worth nothing
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	parser  *jwt.Parser
	known   *lru.Cache[[sha256.Size]byte, verified] // by the token's hash: a dump of memory shows no tokens
}

type verified struct {
	user    string
	expires time.Time
}

// New prepares a verifier.
func New(o Options) *Verifier {
	rules := []jwt.ParserOption{
		jwt.WithValidMethods(o.Algorithms), jwt.WithExpirationRequired(), jwt.WithJSONNumber(),
	}
	if o.Audience != "" {
		rules = append(rules, jwt.WithAudience(o.Audience))
	}
	if o.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(o.Issuer))
	}
	known, err := lru.New[[sha256.Size]byte, verified](remembered)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &Verifier{o, jwt.NewParser(rules...), known}
}

// ErrMissing is returned for a request that carries no credential at all.
var ErrMissing = errors.New("no credential")

// Authenticate returns the request's user. The error says why there is none; it
// is for the log, since it helps whoever guesses.
func (v *Verifier) Authenticate(r *http.Request) (Identity, error) {
	token, bearer := v.token(r)
	if token == "" {
		return Identity{}, ErrMissing
	}
	if len(token) > maxToken {
		return Identity{}, fmt.Errorf("token longer than %d bytes", maxToken)
	}
	key := sha256.Sum256([]byte(token))
	who, ok := v.known.Get(key)
	if !ok {
		var err error
		if who, err = v.verify(token); err != nil {
			return Identity{}, err
		}
		v.known.Add(key, who)
	}
	if !time.Now().Before(who.expires) {
		v.known.Remove(key)
		return Identity{}, jwt.ErrTokenExpired
	}
	return Identity{backend.Caller{User: who.user, Token: token, Bearer: bearer}, who.expires}, nil
}

// token finds the credential where the app looks for it: the cookie wins.
func (v *Verifier) token(r *http.Request) (token string, bearer bool) {
	if c, err := r.Cookie(v.options.Cookie); err == nil && c.Value != "" {
		return c.Value, false
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

func (v *Verifier) verify(token string) (verified, error) {
	claims := jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return v.options.Key, nil }); err != nil {
		return verified{}, err
	}
	user, err := name(claims[v.options.Claim])
	if err != nil {
		return verified{}, fmt.Errorf("claim %s: %w", v.options.Claim, err)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return verified{}, err
	}
	return verified{user, expires.Time}, nil
}

// name reads a user id, a string or a whole number.
func name(claim any) (string, error) {
	user, ok := claim.(string)
	if n, number := claim.(json.Number); number {
		_, err := n.Int64()
		user, ok = n.String(), err == nil
	}
	switch {
	case !ok || user == "":
		return "", errors.New("no user id")
	case len(user) > maxUser:
		return "", fmt.Errorf("longer than %d bytes", maxUser)
	case strings.ContainsFunc(user, unicode.IsControl):
		return "", errors.New("control characters")
	}
	return user, nil
}
