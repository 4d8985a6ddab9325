package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/rollout/control"
	"sluice/rollout/evidence"
	"sluice/rollout/spec"
)

// controller is this gateway's part in a rollout: it serves the state that all
// gateways share, shows them what it has counted, and acts when it leads.
type controller struct {
	gateway    *Gateway
	log        *zap.Logger
	me         string
	spec       spec.Spec
	runner     *control.Runner
	exchange   evidence.Exchange
	history    *evidence.History
	prometheus evidence.Prometheus
	webhook    *webhook      // nil when there is none
	copy       *control.File // of the state in Redis, for a start without it; nil when there is none
	replicas   atomic.Int64
}

// openRollout reads the spec, and the shared state if it can be had: nobody is
// served before.
func (g *Gateway) openRollout() (*controller, error) {
	c := g.config
	s, err := spec.Load(c.Rollout.Spec)
	if err != nil {
		return nil, fmt.Errorf("rollout.spec: %w", err)
	}
	if !g.flags.Named() {
		return nil, errors.New("rollout.spec: needs rollout.flags; without a flag file everybody polls already")
	}
	k := &controller{
		gateway: g, log: g.log, me: replicaName(), spec: s, exchange: &evidence.Alone{},
		history: evidence.NewHistory(2 * longest(s)), prometheus: evidence.Prometheus{Ask: askPrometheus},
	}
	var store control.Store
	if g.redis != nil {
		store = control.NewRedis(g.redis, c.Redis.Timeout)
		k.exchange = &evidence.Shared{Client: g.redis, Timeout: c.Redis.Timeout}
		if k.copy, err = control.OpenFile(c.Rollout.StateFile()); err != nil {
			k.log.Warn("rollout: there is no copy of the state to start from without Redis", zap.Error(err))
		}
	} else if store, err = control.OpenFile(c.Rollout.StateFile()); err != nil {
		return nil, err
	}
	if url := c.Rollout.Webhook.Value(); url != "" {
		k.webhook = newWebhook(url, g.log)
	}
	g.metrics.forRollout(s)
	k.runner = control.New(control.Options{
		Machine: control.For(s), Store: store, Me: k.me,
		From: g.flags.Unsteered, Steer: g.flags.Steer, Look: k.look,
		Changed: k.changed, Frozen: k.frozen, Restored: k.restored,
	})
	if err := k.runner.Join(context.Background()); err != nil {
		k.startWithout(err)
	}
	return k, nil
}

// startWithout goes on where this gateway was before it stopped: the flag file would
// move everybody back until Redis is there.
func (k *controller) startWithout(err error) {
	if k.copy != nil {
		if s, ok, _ := k.copy.Load(context.Background()); ok {
			k.runner.Assume(s)
			k.log.Warn("rollout: the state cannot be looked up; until then its copy is in force", zap.Error(err), zap.Uint64("version", s.Version))
			return
		}
	}
	k.log.Warn("rollout: the state cannot be looked up; until then the flag file is in force", zap.Error(err))
}

// replicaName is new with each start: counters begin at 0 again.
func replicaName() string {
	host, _ := os.Hostname()
	return cmp.Or(host, "gateway") + "-" + rand.Text()[:6]
}

// longest is the longest interval of any metric.
func longest(s spec.Spec) (d time.Duration) {
	for _, m := range metricsOf(s) {
		d = max(d, m.Interval)
	}
	return d
}

// metricsOf are those of all steps, and of the background.
func metricsOf(s spec.Spec) (all []spec.Metric) {
	for _, st := range s.Steps {
		all = append(all, st.Metrics...)
	}
	if s.Background != nil {
		all = append(all, s.Background.Metrics...)
	}
	return all
}

// run takes part until ctx ends.
func (k *controller) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { k.count(ctx) })
	group.Go(func() { k.runner.Run(ctx) })
	if k.webhook != nil {
		group.Go(func() { k.webhook.run(ctx) })
	}
}

// count shows others what this gateway has counted, and sees what they have.
func (k *controller) count(ctx context.Context) {
	tick := time.NewTicker(evidence.Every)
	defer tick.Stop()
	for {
		err := k.exchange.Publish(ctx, k.me, k.gateway.counts())
		reports, errAll := k.exchange.All(ctx)
		if errAll == nil {
			k.history.See(time.Now(), reports)
			k.replicas.Store(alive(reports))
		}
		if err = cmp.Or(err, errAll); err != nil && ctx.Err() == nil {
			k.log.Debug("rollout: counts cannot be exchanged", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// silent is how long a replica may have published nothing and still count as one.
const silent = 5 * evidence.Every

func alive(reports map[string]evidence.Report) (n int64) {
	for _, r := range reports {
		if r.Age <= silent {
			n++
		}
	}
	return n
}

// look is the world as the leader sees it.
func (k *controller) look(context.Context) control.World {
	return control.World{
		Disabled: k.gateway.flags.Disabled(),
		FlagFile: k.gateway.flagTrouble(),
		Legacy:   k.gateway.legacyUsers,
		Measure: func(m spec.Metric, since time.Time) control.Measurement {
			if m.Source == spec.Prometheus {
				return k.prometheus.Measure(m)
			}
			return k.history.Measure(m, since, time.Now())
		},
	}
}

// legacyUsers is how many users were on the old stream within a day.
func (g *Gateway) legacyUsers() (users uint64, since time.Time, err error) {
	count, err := g.legacy.Count()
	return count.Users, count.Since, err
}

func (k *controller) changed(s control.State, made []control.Entry) {
	if k.copy != nil {
		if err := k.copy.Keep(s); err != nil {
			k.log.Warn("rollout: no copy of the state can be kept; a start without Redis would go by an older one, or by the flag file", zap.Error(err))
		}
	}
	k.gateway.metrics.showRollout(s)
	k.gateway.retiring.Store(k.awaitsOldPages(s))
	for _, e := range made {
		k.log.Info("rollout", zap.Any("entry", e))
		k.gateway.metrics.countTransition(e)
		if k.webhook != nil {
			k.webhook.send(e)
		}
	}
}

// awaitsOldPages says whether the retirement of the stream waits for the last old
// pages: they are asked to reload.
func (k *controller) awaitsOldPages(s control.State) bool {
	return s.Phase == control.Progressing && s.Spec == control.For(k.spec).Hash && k.spec.Steps[s.Step].WaitsFor() == spec.ForOldPages
}

func (k *controller) frozen(err error) {
	if err != nil {
		k.log.Error("rollout: frozen, the last state stays in force", zap.Error(err))
		return
	}
	k.log.Info("rollout: goes on")
}

func (k *controller) restored(s control.State) {
	k.log.Warn("rollout: Redis had lost the state and got it back", zap.Uint64("version", s.Version))
}
