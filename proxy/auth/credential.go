package auth

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/backend"
	"sluice/internal/bounded"
	"sluice/internal/uptime"
)

const (
	// maxToken is the longest credential that is looked at, in bytes; browsers keep no
	// cookie over 4,096.
	maxToken = 8192
	// remembered is how many verdicts are kept, about 180 bytes each.
	remembered = 1 << 20
)

// credential finds what a request proves itself by where the app looks for it: the
// cookie wins over Authorization: Bearer. The caller has no user yet.
func credential(r *http.Request, cookie string) (backend.Caller, error) {
	var c backend.Caller
	if value := cookieOf(r, cookie); value != "" {
		c = backend.Caller{Token: value, Via: backend.Cookie}
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

// cookieOf is the value of a request's first cookie of a name, as http.Request.Cookie finds
// it, or "". That makes objects of all the cookies, which is a sixth of what a poll costs;
// here it is only asked where a value is not made of letters and such.
func cookieOf(r *http.Request, name string) string {
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			found, value, _ := strings.Cut(part, "=")
			if textproto.TrimString(found) != name {
				continue
			}
			value = strings.TrimRight(value, " \t")
			if len(line) > maxToken || !isPlain(value) {
				return unusualCookieOf(r, name)
			}
			return value
		}
	}
	return ""
}

func unusualCookieOf(r *http.Request, name string) string {
	if found, err := r.Cookie(name); err == nil {
		return found.Value
	}
	return ""
}

// isPlain tells whether a cookie's value is its own text, without quotes or anything that
// readers differ about: as tokens in base64 are.
func isPlain(value string) bool {
	for i := range len(value) {
		b := value[i]
		if letter := b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'; !letter && strings.IndexByte("-_.~+/=%:", b) < 0 {
			return false
		}
	}
	return true
}

// verdict is what was found out about a credential.
type verdict struct {
	user    string        // empty: the app does not accept it
	expires int64         // as the credential says, in microseconds since 1970; 0: it does not
	until   time.Duration // how long this is believed, by uptime.At
}

// verdicts are kept by the hash of the credential: a dump of memory shows none. Those of
// users with a short name, as nearly all have, are kept without a pointer: each of a million names
// would be an object that the garbage collector visits, and one more place in memory that a poll does.
type verdicts struct {
	short *bounded.Map[shortVerdict]
	long  *bounded.Map[verdict]
}

// shortName is how long a short name is, in bytes: with it, UUIDs, what sign-in services
// call their users and most mail addresses fit.
const shortName = 47

type shortVerdict struct {
	expires int64
	until   time.Duration
	length  uint8
	user    [shortName]byte
}

func newVerdicts() verdicts {
	return verdicts{bounded.New[shortVerdict](remembered), bounded.New[verdict](remembered)}
}

func hashOf(c backend.Caller) [sha256.Size]byte {
	var room [512]byte // on the stack, for most tokens
	return sha256.Sum256(append(utf8.AppendRune(room[:0], rune(c.Via)), c.Token...))
}

// get returns a verdict that still counts; one that does not is dropped.
func (v verdicts) get(hash [sha256.Size]byte) (verdict, bool) {
	found, ok := v.find(string(hash[:]))
	if now := time.Now(); ok && (uptime.At(now) >= found.until || found.expires != 0 && now.UnixMicro() >= found.expires) {
		v.drop(string(hash[:]))
		return verdict{}, false
	}
	return found, ok
}

func (v verdicts) find(key string) (verdict, bool) {
	if kept, ok := v.short.Get(key); ok {
		return verdict{string(kept.user[:kept.length]), kept.expires, kept.until}, true
	}
	return v.long.Get(key)
}

func (v verdicts) drop(key string) {
	v.short.Remove(key)
	v.long.Remove(key)
}

// add keeps a verdict in place of what was known of the credential.
func (v verdicts) add(hash [sha256.Size]byte, found verdict) {
	key := string(hash[:])
	v.drop(key)
	if len(found.user) > shortName {
		v.long.Put(key, found)
		return
	}
	kept := shortVerdict{expires: found.expires, until: found.until, length: uint8(len(found.user))}
	copy(kept.user[:], found.user)
	v.short.Put(key, kept)
}
