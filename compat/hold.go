package compat

import (
	"context"
	"net/http"
	"time"
)

// A held stream asks whose it is after knownFirst, and ever more rarely up to knownMost, each
// time after half to one and a half of that: there is one for every old page, and who is asked
// is in trouble.
const (
	knownFirst = time.Second
	knownMost  = 4 * time.Second
)

// Hold opens a stream whose reader cannot be told at the moment, and keeps it open
// with heartbeats: an old page would answer a refusal with an error and a new
// stream, again and again. It returns true as soon as known does, and Serve then
// goes on with the same response; or false when the stream has ended without that.
// known is called one call at a time, and must heed its context.
func (b *Bridge) Hold(w http.ResponseWriter, r *http.Request, known func(context.Context) bool) bool {
	commit(w)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	end, beat, ask := time.NewTimer(b.options.MaxDuration), time.NewTicker(b.options.Heartbeat), time.NewTimer(jitter(knownFirst/2, knownFirst))
	defer end.Stop()
	defer beat.Stop()
	defer ask.Stop()
	out := writer{w: w, control: http.NewResponseController(w)}
	out.buf = append(out.buf, ": held\n"...)
	out.buf = appendRetry(out.buf, jitter(troubleFloor, troubleSpread))
	defer out.allow() // the end of the response, or what Serve writes
	answers := make(chan bool, 1)
	for wait := knownFirst; ; {
		if _, err := out.flush(); err != nil {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-b.drain:
			return false
		case <-end.C:
			return false
		case <-beat.C:
			out.buf = append(out.buf, heartbeat...)
		case <-ask.C:
			go func() { answers <- known(ctx) }()
		case yes := <-answers:
			if yes {
				out.buf = appendRetry(out.buf, jitter(retryFloor, retrySpread))
				_, err := out.flush()
				return err == nil
			}
			wait = min(2*wait, knownMost)
			ask.Reset(jitter(wait/2, wait))
		}
	}
}
