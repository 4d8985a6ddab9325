package shim

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// place is where a browser sees a page, and so the script; an empty port is the
// scheme's own.
type place struct{ scheme, host, port string }

// places are where the page of a request may be. What is in front of Sluice may
// speak https and not say so (X-Forwarded-Proto): then a policy must hold for both.
func places(r *http.Request) (all []place) {
	at := url.URL{Host: r.Host}
	proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	proto = strings.ToLower(strings.TrimSpace(proto))
	if proto == "" && r.TLS != nil {
		proto = "https"
	}
	for _, scheme := range []string{"http", "https"} {
		if proto == scheme || proto != "http" && proto != "https" {
			port := at.Port()
			if port == usualPort[scheme] {
				port = ""
			}
			all = append(all, place{scheme, strings.ToLower(at.Hostname()), port})
		}
	}
	return all
}

var usualPort = map[string]string{"http": "80", "https": "443"}

// allowed reports whether a list of sources allows a path of the page's own origin,
// wherever the page may be.
func allowed(sources []string, path string, from []place) bool {
	for _, at := range from {
		if !at.anyMatches(sources, path) {
			return false
		}
	}
	return true
}

func (at place) anyMatches(sources []string, path string) bool {
	for _, source := range sources {
		if at.matches(source, path) {
			return true
		}
	}
	return false
}

// hostSource is [ scheme "://" ] host [ ":" port ] [ path ].
var hostSource = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(\*|(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)(?::([0-9]+|\*))?(/[^?#]*)?$`)

// matches follows "Does url match expression in origin with redirect count?" of CSP
// Level 3, for a URL of the page's own origin.
func (at place) matches(source, path string) bool {
	if source == "*" || strings.EqualFold(source, "'self'") {
		return true
	}
	if scheme, ok := strings.CutSuffix(source, ":"); ok {
		return at.fitsScheme(scheme)
	}
	m := hostSource.FindStringSubmatch(source)
	return m != nil && (m[1] == "" || at.fitsScheme(m[1])) && at.fitsHost(m[2]) && at.fitsPort(m[3]) && fitsPath(m[4], path)
}

func (at place) fitsScheme(scheme string) bool {
	return strings.EqualFold(scheme, at.scheme) || strings.EqualFold(scheme, "http") && at.scheme == "https"
}

// fitsHost holds for names only: the standard matches no addresses.
func (at place) fitsHost(pattern string) bool {
	if _, err := netip.ParseAddr(at.host); err == nil {
		return false
	}
	if pattern == "*" {
		return true
	}
	pattern = strings.ToLower(pattern)
	if domain, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(at.host, domain)
	}
	return pattern == at.host
}

func (at place) fitsPort(port string) bool {
	return port == "*" || port == at.port || at.port == "" && port == usualPort[at.scheme]
}

// fitsPath compares piece by piece, each unescaped. A pattern with a slash at its end
// is for all that is below.
func fitsPath(pattern, path string) bool {
	if pattern == "" {
		return true
	}
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	folder := want[len(want)-1] == ""
	if len(want) > len(have) || len(want) < len(have) && !folder {
		return false
	}
	if folder {
		want = want[:len(want)-1]
	}
	for i, piece := range want {
		if text, err := url.PathUnescape(piece); err != nil || text != have[i] {
			return false
		}
	}
	return true
}
