package proxy

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"sluice/internal/bounded"
	"sluice/internal/uptime"
	"sluice/proxy/config"
)

// limitedUsers is how many users' buckets are kept, about 100 bytes each. Who is
// forgotten has a full one, so more users at a time than this are limited less.
const limitedUsers = 1 << 20

// buckets are one bucket a user, by the generic cell rate algorithm (ITU-T I.371): of a
// user is kept when the next thing is due that comes at the rate itself, by uptime.At.
// Up to burst things may come before they are due.
type buckets struct {
	every time.Duration // 0: no limit
	burst time.Duration // how much too early a thing may be
	due   *bounded.Map[time.Duration]
}

// newBuckets limits each user to so many things a second, and burst at once. 0 a
// second means no limit.
func newBuckets(perSecond float64, burst int) *buckets {
	b := &buckets{due: bounded.New[time.Duration](limitedUsers)}
	if perSecond > 0 {
		b.every = time.Duration(float64(time.Second) / perSecond)
		b.burst = time.Duration(burst-1) * b.every
	}
	return b
}

// take lets one more thing of the user's through, or tells when one will be.
func (b *buckets) take(user string, now time.Time) (wait time.Duration) {
	if b.every == 0 {
		return 0
	}
	at := uptime.At(now)
	b.due.Change(user, func(due time.Duration, known bool) time.Duration {
		if !known {
			due = at
		}
		if wait = due - at - b.burst; wait > 0 {
			return due
		}
		return max(due, at) + b.every
	})
	return max(wait, 0)
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
	failures *buckets
	oldPages *buckets
	reads    load
}

// So many items a second of each user, and so many at once, say how stale polls are, and so
// many failed polls that they fail. Sluice-Elapsed is the client's word, and reads may fail
// for one user alone: by neither may anybody abort a rollout for all.
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
		failures: newBuckets(evidenceRate, evidenceBurst),
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
