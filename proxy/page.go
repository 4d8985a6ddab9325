package proxy

import (
	"net/http"

	"sluice/proxy/shim"
	"sluice/rollout"
)

// page passes on what no route of ours answers. With compat.inject_shim, pages for
// users on poll come back with the drop-in in their head.
func (g *Gateway) page(rec *recorder, r *http.Request) {
	if g.config.Compat.InjectShim && shim.Wanted(r) {
		id, err := g.auth.Authenticate(r)
		if err == nil && g.flags.Transport(r.Context(), id.User) == rollout.Poll {
			r = g.inject(rec, r, id.User)
		}
	}
	g.pass(rec, r)
}

// inject asks for a page that can be looked at, and looks at it.
func (g *Gateway) inject(rec *recorder, r *http.Request, user string) *http.Request {
	r = lookedAt(r, func(resp *http.Response) {
		if result := shim.Inject(resp); result != shim.NoPage {
			rec.user, rec.outcome = user, "page: "+string(result)
			g.metrics.shimInjections.WithLabelValues(string(result)).Inc()
		}
	})
	r.Header = r.Header.Clone()
	shim.Ask(r.Header)
	return r
}
