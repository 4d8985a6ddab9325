package proxy

import (
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"sluice/proxy/auth"
)

// hopByHop are the fields that are about one connection (RFC 9110, section 7.6.1, and
// what older clients send).
var hopByHop = []string{
	"Connection", "Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// keepFields gives back what ReverseProxy has taken away: the fields that say who
// asked, and whatever a client has named in Connection, which would let it hide a
// cookie, or what a proxy in front has said, from the app (CVE-2024-45410 of Traefik).
// An upgrade to h2c would let requests through that nobody has looked at.
func keepFields(out, in http.Header) {
	kept := []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}
	for _, line := range in["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			kept = append(kept, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(option)))
		}
	}
	for _, name := range kept {
		if v, ok := in[name]; ok && !slices.Contains(hopByHop, name) {
			out[name] = v
		}
	}
	if strings.Contains(strings.ToLower(out.Get("Upgrade")), "h2c") {
		out.Del("Upgrade")
		out.Del("Connection")
	}
}

// trust is who may say what about a request.
type trust struct {
	proxies auth.Peers
	user    *auth.Header // nil unless a header names the user
}

// clean takes from a request to the app what the app would believe of Sluice and
// must not believe of a client, and adds whom it comes from.
func (t trust) clean(in *http.Request, out http.Header) {
	for name := range out {
		if aboutClient(name) && (!t.proxies.Sent(in) || name != textproto.CanonicalMIMEHeaderKey(auth.Alike(name))) {
			delete(out, name)
		}
	}
	if t.user != nil {
		t.user.Clean(in, out)
	}
	if in.TLS != nil && out.Get("X-Forwarded-Proto") == "" {
		out.Set("X-Forwarded-Proto", "https")
	}
	if host, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		before := slices.Clone(out["X-Forwarded-For"])
		out.Set("X-Forwarded-For", strings.Join(append(before, host), ", "))
	}
}

// aboutClient are the fields in which proxies say whom a request is from and how it
// came, in whatever spelling.
func aboutClient(name string) bool {
	if name == "" || strings.IndexByte("fFxX", name[0]) < 0 {
		return false // as nearly all: without making their other spelling
	}
	name = auth.Alike(name)
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}
