package proxy

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"sluice/proxy/shim"
	"sluice/rollout"
)

// page passes on what no route of ours answers. With compat.inject_shim, pages for
// users on poll come back with the drop-in in their head.
func (g *Gateway) page(c *gin.Context) {
	if g.config.Compat.InjectShim && shim.Wanted(c.Request) {
		id, err := g.auth.Authenticate(c.Request)
		if err == nil && g.flags.Transport(c.Request.Context(), id.User) == rollout.Poll {
			g.inject(c, id.User)
		}
	}
	g.pass(c)
}

func (g *Gateway) inject(c *gin.Context, user string) {
	rec := below(c)
	c.Request = lookedAt(c.Request, func(resp *http.Response) {
		if result := shim.Inject(resp); result != shim.NoPage {
			rec.user, rec.outcome = user, "page: "+string(result)
			g.metrics.shimInjections.WithLabelValues(string(result)).Inc()
		}
	})
	c.Request.Header = c.Request.Header.Clone()
	shim.Ask(c.Request.Header)
}
