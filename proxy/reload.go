package proxy

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/proxy/config"
)

// reloadEvery is how often the configuration is looked at.
const reloadEvery = time.Second

// reloader keeps a gateway at what its configuration says: when the file or one of the
// secret files in it has changed, and at SIGHUP. What was loaded is compared, which
// works for editors that rename and for Kubernetes' links alike. A configuration with
// anything wrong in it is refused as a whole.
type reloader struct {
	file    string
	environ []string
	gateway *Gateway
	above   supervisor
	seen    config.Config
	fault   string // what was wrong at the last look
}

// run follows the configuration until ctx ends.
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
			r.above.reload(func() { r.look(true) })
		case <-tick.C:
			r.look(false)
		}
	}
}

// look reloads if anything has changed, or in any case.
func (r *reloader) look(anyway bool) {
	c, warnings, err := config.Load(r.file, r.environ)
	if err == nil {
		err = c.CheckServe()
	}
	if err != nil {
		c = config.Config{}
	}
	fault := fmt.Sprint(err)
	if !anyway && fault == r.fault && reflect.DeepEqual(c, r.seen) {
		return
	}
	r.seen, r.fault = c, fault
	r.gateway.reload(c, warnings, err)
}

func (g *Gateway) reload(c config.Config, warnings []string, err error) {
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
		g.setSecrets(next.Auth)
		_ = g.setCertificate(next.TLS) // it has been checked
		g.log.Info("configuration reloaded", zap.String("changed", strings.Join(hot, ", ")))
	}
	if _, cold := config.Changes(g.config, c); len(cold) > 0 {
		g.log.Warn("these changes need a restart", zap.String("keys", strings.Join(cold, ", ")))
	}
}
