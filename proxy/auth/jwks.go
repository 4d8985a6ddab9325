package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	// keysEvery is how often published keys are read again. One that is taken away
	// counts for so long, and for rememberedFor, at most.
	keysEvery = 5 * time.Minute
	// unknownEvery is how often a token with a key id that is not known makes them be
	// read at once: the app may have a new key, and anybody may invent ids.
	unknownEvery = 10 * time.Second
	// turnWait is how long a request waits for its turn to do that.
	turnWait = 10 * time.Millisecond
	// keysTimeout is how long one reading may take.
	keysTimeout = 5 * time.Second
	// keysRetry is how long to wait while they have never been read.
	keysRetry = time.Second
	// maxKeys bounds the set of keys, in bytes.
	maxKeys = 1 << 20
)

// JWKS are the public keys that the app, or who signs for it, publishes as a JSON
// Web Key Set (RFC 7517). They are read in the background and kept while they
// cannot be read again.
type JWKS struct {
	keys atomic.Pointer[keyfunc.Keyfunc] // nil until they were read once
	stop context.CancelFunc
}

// NewJWKS begins to read the keys at url. failed is told of each reading that did
// not succeed; it is called from another goroutine.
func NewJWKS(url string, failed func(error)) *JWKS {
	ctx, stop := context.WithCancel(context.Background())
	j := &JWKS{stop: stop}
	go j.read(ctx, url, failed)
	return j
}

// Close stops reading.
func (j *JWKS) Close() { j.stop() }

// read reads the keys for the first time; the library goes on from there.
func (j *JWKS) read(ctx context.Context, url string, failed func(error)) {
	for {
		// Each attempt has a context of its own, since one that failed leaves a loop behind.
		attempt, cancel := context.WithCancel(ctx)
		keys, err := open(attempt, url, failed)
		if err == nil {
			j.keys.Store(&keys)
			context.AfterFunc(ctx, cancel)
			return
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		failed(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(keysRetry):
		}
	}
}

func open(ctx context.Context, url string, failed func(error)) (keyfunc.Keyfunc, error) {
	set, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Ctx: ctx, Client: keysClient(), HTTPTimeout: keysTimeout, Storage: forSigning{jwkset.NewMemoryStorage()},
		RefreshInterval: keysEvery, RefreshErrorHandler: func(_ context.Context, err error) { failed(err) },
	})
	if err != nil {
		return nil, err
	}
	client, err := jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{url: set},
		RefreshUnknownKID: rate.NewLimiter(rate.Every(unknownEvery), 1),
		RateLimitWaitMax:  turnWait,
	})
	if err != nil {
		return nil, err
	}
	return keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: client})
}

// forSigning keeps what may verify a signature: no secret that is published by
// mistake, and no key whose use is another (RFC 7517, section 4.2).
type forSigning struct{ *jwkset.MemoryJWKSet }

func (s forSigning) KeyReplaceAll(ctx context.Context, given []jwkset.JWK) error {
	return s.MemoryJWKSet.KeyReplaceAll(ctx, slices.DeleteFunc(given, func(k jwkset.JWK) bool {
		m := k.Marshal()
		return m.KTY == jwkset.KtyOct || m.USE != "" && m.USE != jwkset.UseSig
	}))
}

// CheckJWKS reads the keys at url once. None that can verify a signature is an error.
func CheckJWKS(ctx context.Context, url string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keys, err := open(ctx, url, func(error) {})
	if err != nil {
		return fmt.Errorf("auth.jwks_url: %w", err)
	}
	if set, err := keys.VerificationKeySet(ctx); err != nil || len(set.Keys) == 0 {
		return errors.New("auth.jwks_url: there is no key for signatures among those published")
	}
	return nil
}

func (j *JWKS) key(t *jwt.Token) (any, error) {
	keys := j.keys.Load()
	if keys == nil {
		return nil, fmt.Errorf("%w: the published keys have not been read yet", ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	key, err := (*keys).KeyfuncCtx(ctx)(t)
	if errors.Is(err, jwkset.ErrKeyNotFound) {
		return nil, errors.New("its key id is not among the published keys")
	}
	return key, err
}

func keysClient() *http.Client {
	return &http.Client{
		Transport:     limited{&http.Transport{IdleConnTimeout: time.Minute}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limited cuts bodies off, so that a broken server fills no memory.
type limited struct{ next http.RoundTripper }

func (b limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxKeys), resp.Body}
	}
	return resp, err
}
