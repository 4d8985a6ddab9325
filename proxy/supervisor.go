package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// supervisor is systemd, or whatever else hears over $NOTIFY_SOCKET how the process is
// (sd_notify(3)). Where there is none, nothing is told.
type supervisor struct {
	socket string
	every  time.Duration // how often it is told that the process lives; 0: never
	log    *zap.Logger
}

func newSupervisor(environ []string, log *zap.Logger) supervisor {
	s := supervisor{log: log}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "NOTIFY_SOCKET":
			s.socket = value
		case "WATCHDOG_USEC":
			if usec, err := strconv.ParseUint(value, 10, 32); err == nil {
				s.every = time.Duration(usec) * time.Microsecond / 2 // as sd_watchdog_enabled(3) advises
			}
		}
	}
	return s
}

// tell sends states such as READY=1, one a line. A supervisor that does not listen is
// no reason to stop.
func (s supervisor) tell(states ...string) {
	if s.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"}) // @ is the abstract namespace, in Go too
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(states, "\n")))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		s.log.Warn("the supervisor cannot be told", zap.Strings("states", states), zap.Error(err))
	}
}

// reload tells that a reload begins, and when it is over. By the moment systemd knows
// that it is the one it has asked for.
func (s supervisor) reload(do func()) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil { // only a bad clock or address fails
		s.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
	}
	do()
	s.tell("READY=1")
}

// stopping tells that the gateway drains, when asked ends; it may stop without that.
func (s supervisor) stopping(asked, running context.Context) {
	select {
	case <-asked.Done():
	case <-running.Done():
	}
	s.tell("STOPPING=1")
}

// watch tells again and again that the process lives, if it does, until ctx ends.
func (s supervisor) watch(ctx context.Context, alive func(context.Context) error) {
	if s.every == 0 {
		return
	}
	for tick := time.Tick(s.every); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		if err := alive(ctx); ctx.Err() != nil {
			return
		} else if err != nil {
			s.log.Error("this process does not answer itself, and says so by silence to its supervisor", zap.Error(err))
			continue
		}
		s.tell("WATCHDOG=1")
	}
}

// answers asks a gateway at its admin listener, over a connection as others have, whether
// it lives. That of the public one may have all connections taken.
func answers(admin net.Addr, within time.Duration) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: within}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin.String()+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
}
