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

// Alike is a header's name as CGI and WSGI make variables of it (RFC 3875, section
// 4.1.18): - and _ are one, and so are capitals and small letters. Whoever removes a
// header that an app believes has to remove all that are alike.
func Alike(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }
