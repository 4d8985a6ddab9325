package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"go.uber.org/zap"

	"sluice/backend/feed"
	"sluice/backend/latest"
	"sluice/proxy/auth"
)

// follow starts the feed of changes: what the store's tail sees, and what the
// app signals.
func (g *Gateway) follow(cache *latest.Reader) {
	o := feed.Options{
		Forget: cache.Forget,
		LookFailed: func(err error) {
			g.log.Warn("the feed of changes cannot look at the store", zap.Error(err))
		},
	}
	if f, ok := g.store.(follower); ok {
		g.tail = f.Tail()
		o.Tail = g.tail
	}
	g.feed = feed.New(o)
	if g.tail != nil {
		g.metrics.followFeed(g.feed)
	}
}

// watch follows flag file, feed, signals, load and rollout, and counts who is left
// on the old stream, until ctx ends.
func (g *Gateway) watch(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { tidy(ctx) })
	group.Go(func() { g.flags.Watch(ctx) })
	group.Go(func() { g.feed.Run(ctx) })
	group.Go(func() { g.legacy.Run(ctx) })
	group.Go(func() { g.pacing.run(ctx) })
	if g.redis != nil {
		group.Go(func() { g.feed.Listen(ctx, g.redis) })
		group.Go(func() { g.askRedis(ctx) })
	}
	if g.rollout != nil {
		group.Go(func() { g.rollout.run(ctx) })
	}
}

// maxSignal bounds the body of a signal, in bytes.
const maxSignal = 4096

// changed serves POST /internal/changed {"user_id":"…"}: the app says, after its
// commit, whose data has changed. Other gateways hear of it through Redis.
func (g *Gateway) changed(w http.ResponseWriter, r *http.Request) {
	if !g.authorizeAdmin(w, r) {
		return
	}
	user, err := readSignal(http.MaxBytesReader(w, r.Body, maxSignal))
	if err != nil {
		writeProblem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	ctx := context.WithoutCancel(r.Context()) // an app that hangs up has told us all the same
	g.feed.Signal(ctx, user)
	if g.redis != nil {
		if err := g.redis.Publish(ctx, feed.Channel, user).Err(); err != nil {
			g.log.Warn("a signal could not be passed on to other gateways", zap.Error(err))
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func readSignal(body interface{ Read([]byte) (int, error) }) (user string, err error) {
	var signal struct {
		UserID json.RawMessage `json:"user_id"`
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&signal); err != nil {
		return "", errors.New(`want a JSON object such as {"user_id":"42"}`)
	}
	if user, err = auth.UserIn(signal.UserID); err != nil {
		return "", fmt.Errorf("user_id: %w", err)
	}
	return user, nil
}

// authorizeAdmin lets a request with the admin token through, and answers all
// others. Both sides are hashed, so that not even the length can be timed.
func (g *Gateway) authorizeAdmin(w http.ResponseWriter, r *http.Request) bool {
	token := g.live.Load().Admin.Token.Value()
	if token == "" {
		writeProblem(w, http.StatusForbidden, "admin.token is not set, so nothing can be changed here")
		return false
	}
	scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(strings.TrimSpace(sent)))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(want[:], got[:]) == 0 {
		writeProblem(w, http.StatusUnauthorized, "the admin token is missing or wrong")
		return false
	}
	return true
}
