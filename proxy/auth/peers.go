package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Peers are networks whose members are believed what they say about a request.
type Peers []netip.Prefix

// Sent reports whether a request comes from one of them directly. What cannot be
// told is no.
func (p Peers) Sent(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// Alike is a header's name as servers make variables of it: with CGI and WSGI - and _
// are one, and so are capitals and small letters (RFC 3875, section 4.1.18); PHP takes a
// dot for one of them too, and others have taken all that is no letter or digit. Whoever
// removes a header that an app believes has to remove all that are alike.
func Alike(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, name)
}
