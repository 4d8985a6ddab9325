package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"sluice/internal/servertest"
	"sluice/internal/uptime"
)

// publisher serves a key set, which tests change.
type publisher struct {
	*httptest.Server
	mu       sync.Mutex
	body     []byte
	code     int
	location string
	asked    int
}

func publish(t *testing.T, keys ...jwkset.JWKMarshal) *publisher {
	p := &publisher{code: http.StatusOK}
	p.set(t, keys...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		w.Header().Set("Location", p.location)
		w.WriteHeader(p.code)
		_, _ = w.Write(p.body)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) set(t *testing.T, keys ...jwkset.JWKMarshal) {
	t.Helper()
	body, err := json.Marshal(jwkset.JWKSMarshal{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	p.change(func() { p.body = body })
}

func (p *publisher) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *publisher) requests() (n int) {
	p.change(func() { n = p.asked })
	return n
}

// verifier opens a verifier that goes by the published keys, and waits for them.
func (p *publisher) verifier(t *testing.T, algorithms ...string) *JWT {
	t.Helper()
	keys := NewJWKS(p.URL, func(err error) { t.Logf("reading keys: %v", err) })
	servertest.Eventually(t, "the keys are read", func() bool { return keys.keys.Load() != nil })
	v := NewJWT(JWTOptions{Cookie: "access_token", Claim: "user_id", Algorithms: algorithms, Published: keys})
	t.Cleanup(v.Close)
	return v
}

// published is a key as it is published under an id.
func published(t *testing.T, public any, id string, use jwkset.USE) jwkset.JWKMarshal {
	t.Helper()
	key, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id, USE: use}, Marshal: jwkset.JWKMarshalOptions{Private: true}})
	if err != nil {
		t.Fatal(err)
	}
	return key.Marshal()
}

// signAs signs with a key that goes by an id.
func signAs(t *testing.T, method jwt.SigningMethod, key any, id, user string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims(user))
	if id != "" {
		token.Header["kid"] = id
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var asymmetric = []string{"RS256", "PS256", "ES256", "EdDSA"}

func TestPublishedKeysOfEveryKind(t *testing.T) {
	r, e := rsaKey(t), ecKey(t, elliptic.P256())
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := publish(t, published(t, r.Public(), "r", jwkset.UseSig), published(t, e.Public(), "e", ""), published(t, d.Public(), "d", "")).verifier(t, asymmetric...)
	for _, c := range []struct {
		method jwt.SigningMethod
		key    crypto.Signer
		id     string
		ok     bool
	}{
		{jwt.SigningMethodRS256, r, "r", true},
		{jwt.SigningMethodPS256, r, "r", true},
		{jwt.SigningMethodES256, e, "e", true},
		{jwt.SigningMethodEdDSA, d, "d", true},
		{jwt.SigningMethodRS256, r, "", true}, // a token need not say which key it is
		{jwt.SigningMethodRS256, r, "e", false},
		{jwt.SigningMethodRS384, r, "r", false}, // not among the algorithms
		{jwt.SigningMethodRS256, rsaKey(t), "r", false},
		{jwt.SigningMethodRS256, rsaKey(t), "", false},
		{jwt.SigningMethodES256, ecKey(t, elliptic.P256()), "e", false},
	} {
		id, err := v.Authenticate(request(signAs(t, c.method, c.key, c.id, "alice"), ""))
		if (err == nil) != c.ok || c.ok && id.User != "alice" {
			t.Errorf("%s with key %q: %+v, %v", c.method.Alg(), c.id, id, err)
		}
	}
}

// What everybody can read must not be good for signing (RFC 8725, section 2.1).
func TestAPublicKeyIsNoSecret(t *testing.T) {
	r := rsaKey(t)
	der, err := x509.MarshalPKIXPublicKey(r.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a secret that was published by mistake")
	p := publish(t, published(t, r.Public(), "r", ""), published(t, secret, "s", ""))
	both := p.verifier(t, append(asymmetric, "HS256")...)
	both.SetKeys([][]byte{key})
	for name, v := range map[string]*JWT{"without HS256": p.verifier(t, asymmetric...), "with HS256": both} {
		for kind, secret := range map[string][]byte{
			"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "modulus": r.N.Bytes(), "published": secret,
		} {
			for _, id := range []string{"r", "s", ""} {
				if _, err := v.Authenticate(request(signAs(t, jwt.SigningMethodHS256, secret, id, "alice"), "")); err == nil {
					t.Errorf("%s: signed with %s, key id %q: taken", name, kind, id)
				}
			}
		}
	}
	if _, err := both.Authenticate(request(sign(t, jwt.SigningMethodHS256, key, claims("alice")), "")); err != nil {
		t.Errorf("a good token of the other kind: %v", err)
	}
}

func TestAKeyForEncryptionVerifiesNothing(t *testing.T) {
	r := rsaKey(t)
	v := publish(t, published(t, r.Public(), "r", jwkset.UseEnc)).verifier(t, asymmetric...)
	for _, id := range []string{"r", ""} {
		if _, err := v.Authenticate(request(signAs(t, jwt.SigningMethodRS256, r, id, "alice"), "")); err == nil {
			t.Errorf("key id %q: taken", id)
		}
	}
}

// A new key is found by the first token that names it; ids that are made up do not
// have the keys read again and again.
func TestANewKeyIsFound(t *testing.T) {
	first, second := rsaKey(t), rsaKey(t)
	p := publish(t, published(t, first.Public(), "1", ""))
	v := p.verifier(t, asymmetric...)
	p.set(t, published(t, second.Public(), "2", ""))
	if _, err := v.Authenticate(request(signAs(t, jwt.SigningMethodRS256, second, "2", "alice"), "")); err != nil {
		t.Errorf("signed with the new key: %v", err)
	}
	if _, err := v.Authenticate(request(signAs(t, jwt.SigningMethodRS256, first, "1", "bob"), "")); err == nil {
		t.Error("a key that is not published any more still counts")
	}
	before := p.requests()
	for _, id := range strings.Split("abcdefghij", "") {
		_, err := v.Authenticate(request(signAs(t, jwt.SigningMethodRS256, first, id, "bob"), ""))
		if err == nil || strings.Contains(err.Error(), p.URL) {
			t.Errorf("an invented key id: %v", err)
		}
	}
	if n := p.requests() - before; n > 1 {
		t.Errorf("ten invented key ids had the keys read %d times", n)
	}
}

// What a published key has verified counts for a minute, since the key may be taken back.
func TestPublishedKeysAreAskedAgain(t *testing.T) {
	r := rsaKey(t)
	v := publish(t, published(t, r.Public(), "r", "")).verifier(t, asymmetric...)
	before := uptime.At(time.Now())
	found, err := v.verify(signAs(t, jwt.SigningMethodRS256, r, "r", "alice"), v.keys.Load())
	if err != nil || found.until < before+verifiedFor || found.until > uptime.At(time.Now())+verifiedFor {
		t.Errorf("%+v %v", found, err)
	}
}

func TestKeysThatCannotBeReadYet(t *testing.T) {
	r := rsaKey(t)
	token := request(signAs(t, jwt.SigningMethodRS256, r, "r", "alice"), "")
	p := publish(t, published(t, r.Public(), "r", ""))
	elsewhere := publish(t, published(t, r.Public(), "r", ""))
	good := slices.Clone(p.body)
	for name, bad := range map[string]func(){
		"an error":    func() { p.code = http.StatusInternalServerError },
		"a redirect":  func() { p.code, p.location = http.StatusFound, elsewhere.URL },
		"nonsense":    func() { p.body = []byte("<!doctype html>") },
		"half of it":  func() { p.body = good[:len(good)/2] },
		"two million": func() { p.body = append([]byte(strings.Repeat(" ", 2<<20)), good...) },
	} {
		p.change(bad)
		failed := make(chan error, 100)
		keys := NewJWKS(p.URL, func(err error) { failed <- err })
		v := NewJWT(JWTOptions{Cookie: "access_token", Claim: "user_id", Algorithms: asymmetric, Published: keys})
		<-failed
		if _, err := v.Authenticate(token); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		p.change(func() { p.code, p.body = http.StatusOK, good })
		servertest.Eventually(t, "the keys are read after "+name, func() bool { _, err := v.Authenticate(token); return err == nil })
		keys.Close()
	}
}
