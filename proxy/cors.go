package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// What pages of cors.origins may see and send besides what every page may (Fetch
// standard, section 3.3); our client does.
const (
	corsExposed = "Date, Retry-After, Sluice-Transport, X-Poll-Interval"
	corsHeaders = "Authorization, Last-Event-ID, Sluice-Client, Sluice-Elapsed"
)

// preflightFor is how long a browser may keep the answer to a preflight: so long does it
// take until an origin that is taken off the list is off it everywhere.
const preflightFor = 10 * time.Minute

// shared says of a request for a route of ours which pages may read the answer, once that
// is ours: the app speaks for itself.
func (g *Gateway) shared(rec *recorder, r *http.Request) {
	if origins := g.live.Load().CORS.Origins; len(origins) > 0 {
		rec.ours = func(h http.Header) { share(h, r, origins) }
	}
}

// share lets a page of one of the origins read an answer. Whoever keeps answers has to
// keep one for each origin, those included that are told nothing.
func share(h http.Header, r *http.Request, origins []string) {
	h.Add("Vary", "Origin")
	if origin, ok := knownOrigin(r, origins); ok {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", corsExposed)
	}
}

// knownOrigin is the origin of the page that asks, if it is one of these, byte for byte.
func knownOrigin(r *http.Request, origins []string) (string, bool) {
	said := r.Header["Origin"]
	if len(said) != 1 || !slices.Contains(origins, said[0]) {
		return "", false
	}
	return said[0], true
}

// preflight answers a browser's question whether a page of cors.origins may ask what is
// ours. All others are the app's, as without Sluice.
func (g *Gateway) preflight(rec *recorder, r *http.Request) {
	_, known := knownOrigin(r, g.live.Load().CORS.Origins)
	if !known || r.Header.Get("Access-Control-Request-Method") == "" {
		g.page(rec, r)
		return
	}
	rec.outcome = "preflight"
	h := rec.Header()
	h.Set("Access-Control-Allow-Methods", http.MethodGet)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(preflightFor.Seconds())))
	rec.WriteHeader(http.StatusNoContent)
}
