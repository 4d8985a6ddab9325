package proxy

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/proxy/config"
)

// reloadEvery is how often the configuration file is looked at. Its content is
// compared, which works for editors that rename and for Kubernetes' links alike.
const reloadEvery = time.Second

// reloader keeps a gateway at what its configuration file says. It reloads when the
// file has changed, and at SIGHUP, which sees changed secret files too. A
// configuration with anything wrong in it is refused as a whole.
type reloader struct {
	file    string
	environ []string
	gateway *Gateway
	seen    string
}

// run follows the file until ctx ends.
func (r *reloader) run(ctx context.Context) {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangUp:
			r.seen = r.sight()
			r.reload()
		case <-tick.C:
			r.look()
		}
	}
}

// look reloads if the file has changed.
func (r *reloader) look() {
	if now := r.sight(); now != r.seen {
		r.seen = now
		r.reload()
	}
}

// sight is what a look at the file shows.
func (r *reloader) sight() string {
	if r.file == "" {
		return ""
	}
	text, err := os.ReadFile(r.file)
	if err != nil {
		return err.Error()
	}
	return "content: " + string(text)
}

func (r *reloader) reload() {
	g := r.gateway
	c, warnings, err := config.Load(r.file, r.environ)
	if err == nil {
		err = c.CheckServe()
	}
	if err != nil {
		g.metrics.configReload.Set(0)
		g.log.Error("configuration refused, the last good one stays", zap.Error(err))
		return
	}
	g.metrics.configReload.Set(1)
	for _, w := range warnings {
		g.log.Warn(w)
	}
	g.apply(c)
}

// apply takes over what may change while the gateway runs, and says what may not.
func (g *Gateway) apply(c config.Config) {
	hot, _ := config.Changes(*g.live.Load(), c)
	if len(hot) > 0 {
		next := config.Reload(*g.live.Load(), c)
		g.live.Store(&next)
		g.pacing.set(next.Poll)
		g.bridge.Farewell(next.Compat.SayFarewell)
		g.log.Info("configuration reloaded", zap.String("changed", strings.Join(hot, ", ")))
	}
	if _, cold := config.Changes(g.config, c); len(cold) > 0 {
		g.log.Warn("these changes need a restart", zap.String("keys", strings.Join(cold, ", ")))
	}
}
