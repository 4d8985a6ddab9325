// Package pace decides how often clients are asked to poll: at the configured
// interval, more rarely while the source is under load, and slowly back again. It
// knows no clock and no clients; it is told the time and what the source is like.
//
// The control law, with T the interval that is in force:
//
//	strained   the source is slow: T becomes T + the time of a read, at least a
//	           quarter more. Clients that wait T and then R for their answer ask
//	           N/(T+R) times a second, and under overload that is what the source
//	           can bear: asked every T + R, they get as much, and nobody waits.
//	failing    it has stopped answering, or turns reads away: T doubles.
//	calm       reads take less than half of what counts as slow, for twice T
//	           without a break: T shrinks by a fifth, down to the configured one.
//	           In between, T stays.
//
// What was raised is not raised again before T, as it was, is over: clients hear of
// it at their next poll only, so until then the load tells of the old interval.
// T is never above the ceiling, and always whole seconds, as clients are told it.
package pace

import "time"

// Settings are the operator's.
type Settings struct {
	Interval, Ceiling time.Duration // whole seconds; the ceiling is not below the interval
	Paused            bool          // everybody is sent to the ceiling
	// Slow is how long a read takes, its wait for its turn included, when the source
	// counts as strained: well below the time-out, or polls fail before it helps.
	Slow time.Duration
}

// Load is what the source has been like since it was last asked.
type Load struct {
	// Took is the mean time of reads: of those that ended or, if these have taken
	// longer by now, of those under way. 0 without any.
	Took time.Duration
	// Failing tells that the source is left alone, or that reads were turned away.
	Failing bool
}

// Pacer holds the interval. The zero value is not ready; it is not safe for
// concurrent use.
type Pacer struct {
	settings Settings
	raised   time.Duration // above the configured interval; 0 while that one holds
	heard    time.Time     // when clients have heard of what was raised last
	calm     time.Time     // since when nothing has spoken against lowering
}

// New begins at the configured interval.
func New(s Settings) *Pacer { return &Pacer{settings: s} }

// Set changes the settings. What was raised stays raised, within the new ceiling.
func (p *Pacer) Set(s Settings) { p.settings = s }

// Interval is what clients are to be told now.
func (p *Pacer) Interval() time.Duration {
	if p.settings.Paused {
		return p.settings.Ceiling
	}
	return p.unpaused()
}

// Raised reports whether load keeps the interval above the configured one.
func (p *Pacer) Raised() bool { return p.unpaused() > p.settings.Interval }

func (p *Pacer) unpaused() time.Duration {
	return min(max(p.settings.Interval, p.raised), p.settings.Ceiling)
}

// Observe takes account of the load, about once a second.
func (p *Pacer) Observe(now time.Time, l Load) {
	strained := l.Failing || l.Took >= p.settings.Slow
	switch {
	case strained:
		p.calm = now
		p.raise(now, l)
	case l.Took >= p.settings.Slow/2:
		p.calm = now
	case p.raised > 0 && now.Sub(p.calm) >= 2*p.Interval():
		p.calm = now
		p.lower()
	}
}

func (p *Pacer) raise(now time.Time, l Load) {
	if now.Before(p.heard) {
		return
	}
	p.heard = now.Add(p.Interval())
	at := p.unpaused()
	next := at + max(l.Took, at/4)
	if l.Failing {
		next = 2 * at
	}
	p.raised = wholeSeconds(next)
}

func (p *Pacer) lower() {
	p.raised = p.unpaused() * 4 / 5 / time.Second * time.Second
	if p.raised <= p.settings.Interval {
		p.raised = 0
	}
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}
