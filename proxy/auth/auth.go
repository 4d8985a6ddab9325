// Package auth tells whose request it is: by the app's own token ([JWT]), by
// asking the app ([Forward]), or by a header that a trusted proxy set ([Header]).
// All fail closed: whatever cannot be verified has no user.
package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"sluice/backend"
)

// maxUser is the longest user id, in bytes.
const maxUser = 255

// Identity is who a request comes from.
type Identity struct {
	backend.Caller
	Expires time.Time // from then on the credential is worth nothing
}

// Authenticator tells a request's user. It is safe for concurrent use. Its errors
// say why there is none; they are for the log, since they help whoever guesses.
type Authenticator interface {
	Authenticate(r *http.Request) (Identity, error)
	// Close lets go of what it holds. Nobody is authenticated any more.
	Close()
}

var (
	// ErrMissing is returned for a request that carries no credential at all.
	ErrMissing = errors.New("no credential")
	// ErrUnavailable is returned while nobody can say whether a credential is good:
	// the app does not answer, or its keys have not been read yet.
	ErrUnavailable = errors.New("credentials cannot be verified at the moment")
	// ErrSilent is ErrUnavailable, since the app does not answer at all: there is no
	// use in passing the request on.
	ErrSilent = fmt.Errorf("%w: the app does not answer", ErrUnavailable)
)

// unlimited is how long a credential counts whose end is not told: longer than any
// stream that is opened with it.
const unlimited = 24 * time.Hour

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

// UserIn reads a user id from JSON, a string or a whole number: the one form of it that
// everything goes by.
func UserIn(raw json.RawMessage) (string, error) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var claim any
	if err := d.Decode(&claim); err != nil {
		return "", errors.New("no user id")
	}
	return name(claim)
}
