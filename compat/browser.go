package compat

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/backend"
)

// An old page reconnects without saying where it stands, so the gateway has to
// remember it, for the browser as a whole: tabs cannot be told apart.
//
// A browser's legacy cursor is a place up to which it has certainly received
// everything. That a stream was flushed proves nothing. The one proof is that we
// ended a stream, at an event boundary, and the same browser was back at once: it
// saw that end, and so all that came before it. A stream that was cut off shortly
// before spoils the proof, since its tab may be the one that is back. Where there is no proof, a
// reconnect starts early enough, and the page removes the repeats.

const (
	// proofFrom and proofWithin are when after the end of its stream a browser must
	// be back: the old page waits 1 s, and whoever is back sooner did not see the end.
	proofFrom, proofWithin = 900 * time.Millisecond, 5 * time.Second
	// cutWithin is how soon a tab that was cut off is back: the old page's longest wait.
	cutWithin = 30 * time.Second
	// overlap is how far back a reconnect without proof starts at least.
	overlap = 120 * time.Second
	// mostRepeats is how many items such a reconnect gets at most; the old page
	// remembers 200 and would show others again.
	mostRepeats = 100
	// longStreams is how many long streams a browser may hold; further ones are
	// short: over HTTP/1.1, six streams block all else of the origin. Short ones do
	// not count: they let others through now and then, and if they did, a browser
	// with five tabs would soon have no long stream left.
	longStreams = 4
	// mostEnds is how many ends are remembered, more than a browser's tabs have within
	// proofWithin: whoever opens streams without end must not make the record grow.
	mostEnds = 32
	// mostPassed is how many items of a passed-through stream are remembered, as
	// many as the old page does.
	mostPassed = 200
)

// Browser is what is remembered of one browser. Times are Unix milliseconds.
type Browser struct {
	Cursor string   `json:"cursor,omitempty"` // sealed; all up to here was received
	Ended  []ending `json:"ended,omitempty"`  // streams that ended a moment ago
	Open   []held   `json:"open,omitempty"`   // the long ones
	Passed *passed  `json:"passed,omitempty"`
}

func (b *Browser) empty() bool {
	return b.Cursor == "" && b.Passed == nil && len(b.Ended) == 0 && len(b.Open) == 0
}

// ending is the end of a stream. Place is where its reader stands if we ended
// it, and empty if that is not known.
type ending struct {
	At    int64  `json:"at"`
	Place string `json:"place"`
}

// held is a long stream that the browser holds, until its time is up at the latest.
type held struct {
	ID    uint64 `json:"id"`
	Until int64  `json:"until"`
}

// passed are the items that went by on the app's own stream. What the browser
// was shown without a gap reaches from Begin up to the first row not in Keys.
type passed struct {
	Begin backend.Key   `json:"begin"`
	Full  bool          `json:"full,omitempty"` // Begin has moved up to the last key that had to be forgotten
	Keys  []backend.Key `json:"keys"`           // ascending
}

// browserOf names a browser by all that its requests have in common. A refreshed
// token makes a new browser.
func browserOf(r *http.Request, c backend.Caller) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{c.User, c.Token, r.UserAgent()}, "\x00")))
	return string(sum[:16])
}

// enter notes a new stream that may last for bound, unless the browser holds
// enough of that kind.
func (b *Browser) enter(stream uint64, now time.Time, bound time.Duration) (long bool) {
	b.Open = slices.DeleteFunc(b.Open, func(o held) bool { return o.Until < now.UnixMilli() })
	if len(b.Open) >= longStreams {
		return false
	}
	b.Open = append(b.Open, held{stream, now.Add(bound).UnixMilli()})
	return true
}

// leave notes the end of a stream. returns tells that its reader will be back
// without an id; place is as in ending.
func (b *Browser) leave(stream uint64, now time.Time, returns bool, place string) {
	b.Open = slices.DeleteFunc(b.Open, func(o held) bool { return o.ID == stream })
	if !returns {
		return
	}
	b.forgetEnds(now)
	if len(b.Ended) >= mostEnds { // among so many nothing is proven, no more than after a cut
		b.Ended, place = nil, ""
	}
	if place == "" { // of several cuts the last one counts
		b.Ended = slices.DeleteFunc(b.Ended, func(e ending) bool { return e.Place == "" })
	}
	b.Ended = append(b.Ended, ending{now.UnixMilli(), place})
}

// forgetEnds drops the ends that no longer say anything. The clock of the gateway that noted
// one may be ahead of ours, which must not hide a cut.
func (b *Browser) forgetEnds(now time.Time) {
	b.Ended = slices.DeleteFunc(b.Ended, func(e ending) bool {
		ago := now.UnixMilli() - e.At
		if e.Place == "" {
			return max(ago, -ago) > cutWithin.Milliseconds()
		}
		return ago < 0 || ago > proofWithin.Milliseconds()
	})
}

// prove takes a reconnect without an id for the proof of the ends just now. Which
// of several tabs is back cannot be told, so it is the one that is the furthest
// behind; the ends stay for the others, who may be that one too.
func (b *Browser) prove(user string, now time.Time) (place string, proven bool) {
	b.forgetEnds(now)
	if slices.ContainsFunc(b.Ended, func(e ending) bool { return e.Place == "" }) {
		return "", false
	}
	for _, e := range b.Ended {
		if now.UnixMilli()-e.At >= proofFrom.Milliseconds() && (place == "" || compareSealed(user, e.Place, place) < 0) {
			place = e.Place
		}
	}
	if place == "" {
		return "", false
	}
	b.Cursor = laterSealed(user, b.Cursor, place)
	b.Passed = nil // what the app's own stream showed before lies behind
	return place, true
}

// pass notes items that went by on the app's own stream.
func (b *Browser) pass(keys []backend.Key, now time.Time) {
	p := b.Passed
	if p == nil {
		p = &passed{Begin: backend.Key{At: now.Add(-overlap).UnixMicro()}}
		b.Passed = p
	}
	for _, k := range keys {
		k = second(k)
		i, known := slices.BinarySearchFunc(p.Keys, k, backend.Key.Compare)
		switch {
		case known, p.Full && k.Compare(p.Begin) <= 0:
			continue
		case !p.Full && k.At < p.Begin.At:
			p.Begin = backend.Key{At: k.At}
		}
		p.Keys = slices.Insert(p.Keys, i, k)
	}
	if over := len(p.Keys) - mostPassed; over > 0 {
		p.Begin, p.Full = p.Keys[over-1], true
		p.Keys = slices.Delete(p.Keys, 0, over)
	}
}

// has reports whether an item went by.
func (p *passed) has(k backend.Key) bool {
	_, known := slices.BinarySearchFunc(p.Keys, second(k), backend.Key.Compare)
	return known
}

// second is a key as the legacy stream tells it: created_at without a fraction.
func second(k backend.Key) backend.Key {
	k.At -= (k.At%1e6 + 1e6) % 1e6
	return k
}

func laterSealed(user, a, b string) string {
	if compareSealed(user, a, b) < 0 {
		return b
	}
	return a
}

// compareSealed orders two sealed cursors; what is none comes first.
func compareSealed(user, a, b string) int {
	ca, okA := backend.Open(a, user)
	cb, okB := backend.Open(b, user)
	if !okA || !okB {
		return cmp.Compare(boolInt(okA), boolInt(okB))
	}
	return ca.Compare(cb.Key)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
