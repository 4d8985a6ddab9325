package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/singleflight"

	"sluice/backend"
	"sluice/internal/uptime"
)

const (
	// forwardedFor is how long the app's word on a credential counts: so long does
	// somebody who signed out still get notifications.
	forwardedFor = 10 * time.Second
	// refusedFor is how long its refusal counts. It is short because a session may
	// keep its cookie when it signs in.
	refusedFor = time.Second
	// questions is how many are asked at a time; an app that hangs is not asked more.
	questions = 100
	// maxWord bounds the app's answer, in bytes.
	maxWord = 64 << 10
)

// errRefused is the app's 401 or 403.
var errRefused = errors.New("the app does not accept the credential")

// ForwardOptions say how the app is asked.
type ForwardOptions struct {
	URL     string        // answers 200 {"user_id":"..."}, 401 or 403
	Cookie  string        // the cookie that is handed on; of the request nothing else is
	Timeout time.Duration // of one question
}

// Forward asks the app whose a credential is.
type Forward struct {
	options ForwardOptions
	client  *http.Client
	asking  singleflight.Group
	told    verdicts
}

// NewForward prepares to ask.
func NewForward(o ForwardOptions) *Forward {
	return &Forward{
		options: o,
		client: &http.Client{
			// No proxy from the environment: the app is where the operator said.
			Transport: &http.Transport{MaxConnsPerHost: questions, MaxIdleConnsPerHost: questions, IdleConnTimeout: time.Minute},
			// A redirect leads to a login page, which names no user.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		told: newVerdicts(),
	}
}

// Close drops idle connections.
func (f *Forward) Close() { f.client.CloseIdleConnections() }

// Authenticate implements Authenticator. Requests with the same credential share
// one question; ErrUnavailable means that the app did not answer it.
func (f *Forward) Authenticate(r *http.Request) (Identity, error) {
	c, err := credential(r, f.options.Cookie)
	if err != nil {
		return Identity{}, err
	}
	found, ok := f.told.get(hashOf(c))
	if !ok {
		if found, err = f.share(r.Context(), c); err != nil {
			return Identity{}, err
		}
	}
	if found.user == "" {
		return Identity{}, errRefused
	}
	c.User = found.user
	return Identity{c, time.Now().Add(unlimited)}, nil
}

// share asks once for all who ask the same at the same time. Who goes away does not
// take the answer from the others.
func (f *Forward) share(ctx context.Context, c backend.Caller) (verdict, error) {
	hash := hashOf(c)
	answer := f.asking.DoChan(string(hash[:]), func() (any, error) {
		asked := time.Now()
		user, err := f.ask(context.WithoutCancel(ctx), c)
		found := verdict{user: user, until: uptime.At(asked.Add(forwardedFor))}
		switch {
		case errors.Is(err, errRefused):
			found.until = uptime.At(asked.Add(refusedFor))
		case err != nil:
			return verdict{}, err
		}
		f.told.add(hash, found)
		return found, nil
	})
	select {
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	case a := <-answer:
		found, _ := a.Val.(verdict)
		return found, a.Err
	}
}

// Check asks for nobody, which the app must refuse.
func (f *Forward) Check(ctx context.Context) error {
	user, err := f.ask(ctx, backend.Caller{})
	switch {
	case errors.Is(err, errRefused):
		return nil
	case err == nil:
		return fmt.Errorf("auth.forward_url: names %q for a request without a credential; it must answer 401", user)
	}
	return err
}

func (f *Forward) ask(ctx context.Context, c backend.Caller) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.options.URL, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "sluice")
	if c.Token != "" {
		c.Authorize(req.Header, f.options.Cookie)
	}
	resp, err := f.client.Do(req)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err // the cause alone reads better
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSilent, err)
	}
	defer resp.Body.Close()
	return f.word(resp)
}

// word reads the app's answer. What is neither a yes nor a no is a fault of the app
// or of the configuration: nobody is let in, and nobody is signed out.
func (f *Forward) word(resp *http.Response) (string, error) {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return "", errRefused
	case code >= http.StatusInternalServerError:
		return "", fmt.Errorf("%w: auth.forward_url answered with status %d", ErrSilent, code)
	default:
		return "", fmt.Errorf("%w: auth.forward_url answered with status %d", ErrUnavailable, code)
	}
	var answer struct {
		User json.RawMessage `json:"user_id"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxWord)).Decode(&answer); err != nil {
		return "", fmt.Errorf("%w: the answer of auth.forward_url cannot be read: %w", ErrUnavailable, err)
	}
	user, err := UserIn(answer.User)
	if err != nil {
		return "", fmt.Errorf("%w: user_id in the answer of auth.forward_url: %w", ErrUnavailable, err)
	}
	return user, nil
}
