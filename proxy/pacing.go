package proxy

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/backend/guard"
	"sluice/backend/pace"
	"sluice/proxy/config"
)

const (
	// paceEvery is how often the source is looked at for the interval.
	paceEvery = time.Second
	// slowShare is the part of upstream.timeout beyond which the source counts as
	// strained: polls that are on their way by then are still answered in time.
	slowShare = 4
)

// pacing is the interval that clients are told, and what moves it.
type pacing struct {
	mu    sync.Mutex
	pacer *pace.Pacer
	now   atomic.Pointer[advice]

	timeout time.Duration
	load    func() guard.Load
	shed    atomic.Bool // polls were turned away since the load was looked at
	gauge   prometheus.Gauge
	log     *zap.Logger
}

// advice is an interval as clients are sent it.
type advice struct {
	seconds int
	header  []string
}

func newPacing(c config.Config, load func() guard.Load, gauge prometheus.Gauge, log *zap.Logger) *pacing {
	p := &pacing{timeout: c.Upstream.Timeout, load: load, gauge: gauge, log: log}
	p.pacer = pace.New(p.settings(c.Poll))
	p.publish()
	return p
}

func (p *pacing) settings(c config.Poll) pace.Settings {
	return pace.Settings{Interval: c.Interval, Ceiling: c.Ceiling, Paused: c.Paused, Slow: p.timeout / slowShare}
}

// set takes over what the operator has changed.
func (p *pacing) set(c config.Poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pacer.Set(p.settings(c))
	p.publish()
}

// run looks at the source until ctx ends.
func (p *pacing) run(ctx context.Context) {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.observe(now)
		}
	}
}

func (p *pacing) observe(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, raised := p.load(), p.pacer.Raised()
	if p.shed.Swap(false) {
		// A source that answers many at a time is not slow before there is no room: docs/scale.md.
		l.Took = max(l.Took, p.timeout/slowShare)
	}
	p.pacer.Observe(now, pace.Load{Took: l.Took, Failing: l.Resting || l.Refused > 0})
	p.publish()
	switch {
	case p.pacer.Raised() && !raised:
		p.log.Warn("the source is under load, clients are asked to poll more rarely",
			zap.Duration("read", l.Took), zap.Int("refused", l.Refused), zap.Bool("failing", l.Resting), zap.Int("seconds", p.advice().seconds))
	case raised && !p.pacer.Raised():
		p.log.Info("clients poll at the configured interval again")
	}
}

// publish shows the pacer's interval.
func (p *pacing) publish() {
	d := p.pacer.Interval()
	if a := p.now.Load(); a != nil && a.seconds == int(d/time.Second) {
		return
	}
	n := int(d / time.Second)
	p.now.Store(&advice{n, []string{strconv.Itoa(n)}})
	p.gauge.Set(d.Seconds())
}

func (p *pacing) advice() *advice { return p.now.Load() }

func (p *pacing) interval() time.Duration { return time.Duration(p.advice().seconds) * time.Second }

// retryAfter is how many seconds a client whose poll failed is to stay away: the
// interval and up to as much again, so that those who failed together come back apart.
func (p *pacing) retryAfter() int {
	n := p.advice().seconds
	return n + rand.IntN(n+1)
}
