package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/textproto"
	"sync/atomic"
	"time"

	"sluice/backend"
)

// SecretHeader carries what a trusted proxy and Sluice share.
const SecretHeader = "Sluice-Secret"

// HeaderOptions say whose word counts.
type HeaderOptions struct {
	Name    string // of the header with the user id
	Proxies Peers  // who may set it
	Secret  []byte // what else they send, in SecretHeader
}

// Header believes a header of a proxy in front that has authenticated the user.
// Both are needed: that the request comes from a trusted address, and the secret.
type Header struct {
	options HeaderOptions
	secret  atomic.Pointer[[sha256.Size]byte] // nil: nobody is believed
}

// NewHeader prepares to believe.
func NewHeader(o HeaderOptions) *Header {
	o.Name = textproto.CanonicalMIMEHeaderKey(o.Name)
	h := &Header{options: o}
	h.SetSecret(o.Secret)
	return h
}

// Close implements Authenticator: there is nothing to let go of.
func (h *Header) Close() {}

// SetSecret replaces the secret, without a restart.
func (h *Header) SetSecret(secret []byte) {
	if len(secret) == 0 {
		h.secret.Store(nil)
		return
	}
	sum := sha256.Sum256(secret)
	h.secret.Store(&sum)
}

// Authenticate implements Authenticator.
func (h *Header) Authenticate(r *http.Request) (Identity, error) {
	values := r.Header[h.options.Name]
	if len(values) == 0 {
		return Identity{}, ErrMissing
	}
	if err := h.trust(r); err != nil {
		return Identity{}, err
	}
	if len(values) > 1 {
		return Identity{}, errors.New(h.options.Name + " is given more than once")
	}
	user, err := name(values[0])
	if err != nil {
		return Identity{}, err
	}
	return Identity{backend.Caller{User: user, Token: user, Via: backend.Header}, time.Now().Add(unlimited)}, nil
}

// trust says why a request's header is not believed.
func (h *Header) trust(r *http.Request) error {
	if !h.options.Proxies.Sent(r) {
		return errors.New("the request comes from no address in trusted_proxies")
	}
	secret := h.secret.Load()
	if secret == nil {
		return errors.New("there is no secret")
	}
	given := sha256.Sum256([]byte(r.Header.Get(SecretHeader)))
	if subtle.ConstantTimeCompare(given[:], secret[:]) != 1 {
		return errors.New(SecretHeader + " is missing or wrong")
	}
	return nil
}

// Clean takes from out, the header of a request that is passed to the app, what the
// app would believe of Sluice and must not believe of a client: the user's header
// unless in has been verified, and other spellings of it, which some servers read as
// the same (CVE-2025-64484 of oauth2-proxy). The secret goes too.
func (h *Header) Clean(in *http.Request, out http.Header) {
	_, err := h.Authenticate(in)
	for name := range out {
		same := Alike(name) == Alike(h.options.Name)
		if same && (err != nil || name != h.options.Name) || Alike(name) == Alike(SecretHeader) {
			delete(out, name)
		}
	}
}
