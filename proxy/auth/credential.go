package auth

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/backend"
	"sluice/internal/bounded"
)

const (
	// maxToken is the longest credential that is looked at, in bytes; browsers keep no
	// cookie over 4,096.
	maxToken = 8192
	// remembered is how many verdicts are kept, about 150 bytes each.
	remembered = 1 << 20
)

// credential finds what a request proves itself by where the app looks for it: the
// cookie wins over Authorization: Bearer. The caller has no user yet.
func credential(r *http.Request, cookie string) (backend.Caller, error) {
	var c backend.Caller
	if found, err := r.Cookie(cookie); err == nil && found.Value != "" {
		c = backend.Caller{Token: found.Value, Via: backend.Cookie}
	} else if scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		c = backend.Caller{Token: strings.TrimSpace(rest), Via: backend.Bearer}
	}
	switch {
	case c.Token == "":
		return c, ErrMissing
	case len(c.Token) > maxToken:
		return c, fmt.Errorf("token longer than %d bytes", maxToken)
	}
	return c, nil
}

// verdict is what was found out about a credential. Times are in microseconds since 1970:
// there may be a million verdicts.
type verdict struct {
	user    string
	err     error // why it has no user
	expires int64
	until   int64 // how long this is believed
}

// verdicts are kept by the hash of the credential: a dump of memory shows none.
type verdicts struct {
	kept *bounded.Map[[sha256.Size]byte, verdict]
}

func newVerdicts() verdicts { return verdicts{bounded.New[[sha256.Size]byte, verdict](remembered)} }

func hashOf(c backend.Caller) [sha256.Size]byte {
	var room [512]byte // on the stack, for most tokens
	return sha256.Sum256(append(utf8.AppendRune(room[:0], rune(c.Via)), c.Token...))
}

// get returns a verdict that still counts; one that does not is dropped.
func (v verdicts) get(hash [sha256.Size]byte) (verdict, bool) {
	found, ok := v.kept.Get(hash)
	if ok && time.Now().UnixMicro() >= found.until {
		v.kept.Remove(hash)
		return verdict{}, false
	}
	return found, ok
}

func (v verdicts) add(hash [sha256.Size]byte, found verdict) { v.kept.Put(hash, found) }
