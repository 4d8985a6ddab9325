package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// listeners are a gateway's two open ports.
type listeners struct{ public, admin net.Listener }

// listen opens both ports, or neither.
func (g *Gateway) listen() (listeners, error) {
	var l listeners
	var err error
	if l.public, err = bind("listen", g.config.Listen); err != nil {
		return l, err
	}
	if l.admin, err = bind("admin.listen", g.config.Admin.Listen); err != nil {
		return l, errors.Join(err, l.public.Close())
	}
	return l, nil
}

func bind(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; choose another address or stop what uses this one", key, err)
	}
	return l, nil
}

// serve runs the gateway, with handler in public, until ctx ends, and then drains
// it. It returns an error if a listener failed or requests had to be cut off.
func (g *Gateway) serve(ctx context.Context, l listeners, handler http.Handler) error {
	errorLog, err := zap.NewStdLogAt(g.log.Named("http"), zap.DebugLevel)
	if err != nil {
		return err
	}
	public := &http.Server{
		Handler: handler, ReadHeaderTimeout: slowHeader, IdleTimeout: idleTimeout, ErrorLog: errorLog,
		Protocols: protocols(), TLSConfig: g.tlsConfig(),
	}
	// Nothing there takes long to send, so that a whole request has a limit.
	admin := &http.Server{Handler: g.AdminHandler(), ReadHeaderTimeout: slowHeader, ReadTimeout: silentBody, IdleTimeout: idleTimeout, ErrorLog: errorLog}

	polls := g.onFastPath(patient{netutil.LimitListener(l.public, g.config.Limits.Connections)})
	public.ConnState = polls.ConnState

	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() { defer close(watched); g.watch(watching) }()
	failed := make(chan error, 2)
	go func() {
		failed <- g.accept(public, polls)
	}()
	go func() { failed <- admin.Serve(patient{l.admin}) }()
	g.log.Info("serving", zap.Stringer("listen", l.public.Addr()), zap.Stringer("admin", l.admin.Addr()), zap.Bool("tls", g.certificate.Load() != nil))

	select {
	case err = <-failed:
	case <-ctx.Done():
		err = g.drain(polls.Shutdown(public))
	}
	stop()
	<-watched
	return errors.Join(err, public.Close(), admin.Close())
}

// drain stops the public listener. First readiness fails and everything is still
// served, so that the load balancer can look away; then streams end at an event
// boundary and open requests finish. What is left at the deadline is cut off.
func (g *Gateway) drain(shutdown func(context.Context) error) error {
	g.draining.Store(true)
	deadline := time.Now().Add(g.config.Drain.Deadline)
	g.shadow.Close()
	g.log.Info("draining", zap.Duration("grace", g.config.Drain.Grace), zap.Duration("deadline", g.config.Drain.Deadline))
	time.Sleep(g.config.Drain.Grace)

	streams := g.bridge.Drain()
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	err := shutdown(ctx)
	g.log.Info("drained", zap.Int("streams_ended", streams), zap.Bool("cut_off", err != nil))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the deadline is there to be kept: what it cut off is logged, and no failure
	}
	return err
}
