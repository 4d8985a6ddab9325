package proxy

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"sluice/proxy/config"
)

// limitedUsers is how many users' buckets are kept, about 250 bytes each: of those
// whom a gateway of a few cores can serve at the usual interval. Who is forgotten has a
// full one, so more users at a time than this are limited less.
const limitedUsers = 1 << 18

// buckets are one token bucket a user (a leaky bucket as a meter, ITU-T I.371): it
// holds burst tokens and gets so many a second.
type buckets struct {
	rate  rate.Limit
	burst int
	users *lru.Cache[string, *rate.Limiter]
}

// newBuckets limits each user to so many things a second, and burst at once. 0 a
// second means no limit.
func newBuckets(perSecond float64, burst int) *buckets {
	users, err := lru.New[string, *rate.Limiter](limitedUsers)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &buckets{rate.Limit(perSecond), burst, users}
}

// take takes a token of the user's, or tells when there is one again.
func (b *buckets) take(user string, now time.Time) (wait time.Duration) {
	if b.rate == 0 {
		return 0
	}
	l, ok := b.users.Get(user)
	if !ok {
		l = rate.NewLimiter(b.rate, b.burst)
		if before, ok, _ := b.users.PeekOrAdd(user, l); ok {
			l = before
		}
	}
	r := l.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// load limits what is under way at a time. What is over it is turned away at once,
// so that what is let in is answered in time.
type load struct {
	most int64
	now  atomic.Int64
}

// enter reports whether one more is let in; if so, leave is to be called.
func (l *load) enter() bool {
	if l.now.Add(1) <= l.most {
		return true
	}
	l.now.Add(-1)
	return false
}

func (l *load) leave() { l.now.Add(-1) }

// limited is what of the gateway's own work has a limit.
type limited struct {
	polls    *buckets
	streams  *buckets
	evidence *buckets
	oldPages *buckets
	reads    load
}

// So many items a second of each user, and so many at once, say how stale polls are:
// Sluice-Elapsed is the client's word, by which nobody may abort a rollout for all.
const (
	evidenceRate  = 0.2
	evidenceBurst = 3
)

// So many streams of old pages a second of each user, and so many at once, say how
// often these end: six tabs that are back every 25 s, and no loop.
const (
	oldPagesRate  = 0.3
	oldPagesBurst = 20
)

func newLimited(c config.Limits) *limited {
	return &limited{
		polls:    newBuckets(c.PollRate, c.PollBurst),
		streams:  newBuckets(c.StreamRate, c.StreamBurst),
		evidence: newBuckets(evidenceRate, evidenceBurst),
		oldPages: newBuckets(oldPagesRate, oldPagesBurst),
		reads:    load{most: int64(c.Polls)},
	}
}

// throttle refuses a poll of a user who polls too often (RFC 6585, section 4).
func throttle(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	writeProblem(w, http.StatusTooManyRequests, "too many polls; wait as long as Retry-After says")
}

// errTooMany is what a poll beyond limits.polls ends with.
var errTooMany = errors.New("too many polls at a time")

// shed turns a poll away while there are too many, and has clients poll more rarely.
func (g *Gateway) shed(w http.ResponseWriter) {
	g.pacing.shed.Store(true)
	w.Header().Set("Retry-After", strconv.Itoa(g.pacing.retryAfter()))
	writeProblem(w, http.StatusServiceUnavailable, errTooMany.Error())
}
