package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"sluice/backend"
	"sluice/proxy/config"
)

// maxCursor is the longest cursor a client may send, in bytes.
const maxCursor = 256

// limits are the bounds of a page, in items.
type limits struct{ standard, max int }

func limitsOf(c config.Poll) limits { return limits{c.LimitDefault, c.LimitMax} }

// parameters of a poll.
var parameters = []string{"after_id", "before_id", "limit", "resume"}

// pollQuery is a poll as the client asked for it.
type pollQuery struct {
	backend.Query
	Resume bool // without a place: go on after what the legacy stream has shown this browser
}

// parseQuery reads the parameters of a poll; others are ignored. It splits the
// raw query itself, at & only, as the app's framework does: net/url would drop
// a pair with a semicolon in silence.
func parseQuery(raw string, l limits) (pollQuery, error) {
	q := pollQuery{Query: backend.Query{Limit: l.standard}}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !slices.Contains(parameters, name) {
			continue
		}
		if seen[name] {
			return q, fmt.Errorf("%s: given more than once", name)
		}
		seen[name] = true
		if value, err = url.QueryUnescape(value); err != nil {
			return q, fmt.Errorf("%s: bad percent-encoding", name)
		}
		switch name {
		case "limit":
			q.Limit, err = parseLimit(value, l.max)
		case "after_id":
			q.After, err = value, checkCursor(value)
		case "before_id":
			q.Before, err = value, checkCursor(value)
		case "resume":
			q.Resume, err = true, checkResume(value)
		}
		if err != nil {
			return q, fmt.Errorf("%s: %w", name, err)
		}
	}
	if q.After != "" && q.Before != "" {
		return q, errors.New("after_id and before_id: only one of them")
	}
	return q, nil
}

// parseLimit clamps a whole number of any size to 1..most.
func parseLimit(s string, most int) (int, error) {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errors.New("want a whole number")
	}
	if negative {
		return 1, nil
	}
	n := 0
	for _, d := range digits {
		if n = n*10 + int(d-'0'); n >= most {
			return most, nil
		}
	}
	return max(n, 1), nil
}

func checkResume(s string) error {
	if s != "legacy" {
		return errors.New("want legacy")
	}
	return nil
}

func checkCursor(s string) error {
	switch {
	case len(s) > maxCursor:
		return fmt.Errorf("longer than %d bytes", maxCursor)
	case !utf8.ValidString(s):
		return errors.New("not UTF-8")
	case strings.ContainsRune(s, 0):
		return errors.New("contains NUL")
	}
	return nil
}
