package shim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// policy is one Content-Security-Policy: its directives, by name.
type policy map[string][]string

// policies reads all policies of a page; a field may be there several times, and
// each of its lines is a list.
func policies(lines []string) (all []policy) {
	for _, line := range lines {
		for text := range strings.SplitSeq(line, ",") {
			if p := parsePolicy(text); len(p) > 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

// parsePolicy keeps the first directive of a name, as browsers do. What is not
// printable ASCII they read differently: nothing is allowed then.
func parsePolicy(text string) policy {
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) {
		return policy{"default-src": nil}
	}
	p := policy{}
	for directive := range strings.SplitSeq(text, ";") {
		words := strings.Fields(directive)
		if len(words) == 0 {
			continue
		}
		name := strings.ToLower(words[0])
		if _, again := p[name]; !again {
			p[name] = words[1:]
		}
	}
	return p
}

// permit says whether the policies of a page let the tag's script run and poll, and
// which nonce it needs. A page has many policies, and one tag for all of them.
//
// Those that only report never forbid: one of their nonces is taken where that is
// free, and else the page's owner hears of a script that is not in the policy.
func permit(h http.Header, from []place) (nonce string, ok bool) {
	if strings.Contains(strings.ToLower(joined(h, "Integrity-Policy")), "script") {
		return "", false // it wants a hash in the tag
	}
	var fit []string // nil: the tag needs none
	for _, p := range policies(h.Values("Content-Security-Policy")) {
		if !p.leavesAlive() || !p.letsPoll(from) {
			return "", false
		}
		if fit, ok = p.narrow(fit, from); !ok {
			return "", false
		}
	}
	for _, p := range policies(h.Values("Content-Security-Policy-Report-Only")) {
		if fewer, ok := p.narrow(fit, from); ok {
			fit = fewer
		}
	}
	if len(fit) == 0 {
		return "", true
	}
	return fit[0], true
}

// narrow keeps the nonces with which the policy lets the script run. It says false
// if there is none.
func (p policy) narrow(fit []string, from []place) ([]string, bool) {
	sources, governed := p.governing("script-src-elem", "script-src", "default-src")
	if !governed || !contains(sources, "'strict-dynamic'") && allowed(sources, Script, from) {
		return fit, true
	}
	own := nonces(sources)
	if fit != nil {
		own = slices.DeleteFunc(own, func(nonce string) bool { return !slices.Contains(fit, nonce) })
	}
	return own, len(own) > 0
}

// polled are the paths that the script asks for.
var polled = []string{"/api/notifications", "/_sluice/config"}

func (p policy) letsPoll(from []place) bool {
	sources, governed := p.governing("connect-src", "default-src")
	return !governed || !slices.ContainsFunc(polled, func(path string) bool { return !allowed(sources, path, from) })
}

// leavesAlive reports whether a page may run scripts at all, as its own origin.
func (p policy) leavesAlive() bool {
	flags, ok := p["sandbox"]
	return !ok || contains(flags, "allow-scripts") && contains(flags, "allow-same-origin")
}

// governing returns the first of some directives that the policy has.
func (p policy) governing(names ...string) (sources []string, ok bool) {
	for _, name := range names {
		if sources, ok = p[name]; ok {
			return sources, true
		}
	}
	return nil, false
}

// nonceSource follows the grammar of the standard. A nonce is compared as it is.
var nonceSource = regexp.MustCompile(`^'(?i:nonce)-([A-Za-z0-9+/_-]+={0,2})'$`)

func nonces(sources []string) (all []string) {
	for _, source := range sources {
		if m := nonceSource.FindStringSubmatch(source); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// contains compares as keywords are compared.
func contains(list []string, word string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, word) })
}
