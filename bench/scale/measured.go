package scale

import (
	"math"
	"slices"
	"time"
)

// sample is what has been counted, since the start or within a second.
type sample struct {
	polls, failed, local, shared, reads int64
	gets, puts, unlinks                 int64 // of Redis
}

func (s sample) minus(o sample) sample {
	return sample{
		s.polls - o.polls, s.failed - o.failed, s.local - o.local, s.shared - o.shared, s.reads - o.reads,
		s.gets - o.gets, s.puts - o.puts, s.unlinks - o.unlinks,
	}
}

// commands are those to Redis.
func (s sample) commands() int64 { return s.gets + s.puts + s.unlinks }

// bytes are those to Redis and back.
func (s sample) bytes() int64 { return s.gets*getBytes + s.puts*putBytes + s.unlinks*unlinkBytes }

// measured is what came of a run, second by second.
type measured struct {
	warm     time.Duration
	seconds  []sample
	interval []time.Duration // that gateways tell, in the mean
	present  []int           // browsers
	ages     []age
	last     sample
}

// age is how old an item was when a browser that was there got it.
type age struct {
	at, age float32 // seconds
	visible bool    // the page was, all the time
}

func newMeasured(warm time.Duration) *measured { return &measured{warm: warm} }

func (m *measured) note(total sample, interval time.Duration, present int) {
	m.seconds = append(m.seconds, total.minus(m.last))
	m.interval = append(m.interval, interval)
	m.present = append(m.present, present)
	m.last = total
}

func (m *measured) delivered(now, old time.Duration, visible bool) {
	if now >= m.warm {
		m.ages = append(m.ages, age{float32(now.Seconds()), float32(old.Seconds()), visible})
	}
}

// rate is the mean of something a second, between two moments.
func (m *measured) rate(from, until time.Duration, of func(sample) int64) float64 {
	sum, seconds := int64(0), m.between(from, until)
	for _, s := range seconds {
		sum += of(s)
	}
	return float64(sum) / float64(max(len(seconds), 1))
}

// most is the busiest second.
func (m *measured) most(from, until time.Duration, of func(sample) int64) (most int64) {
	for _, s := range m.between(from, until) {
		most = max(most, of(s))
	}
	return most
}

func (m *measured) between(from, until time.Duration) []sample {
	return m.seconds[min(int(from/time.Second), len(m.seconds)):min(int(until/time.Second), len(m.seconds))]
}

// staleness is the age at each of these quantiles, in seconds, of items delivered
// between two moments, to pages that were visible; 0 without any.
func (m *measured) staleness(from, until time.Duration, quantiles ...float64) []float64 {
	var ages []float64
	for _, a := range m.ages {
		if at := time.Duration(a.at * float32(time.Second)); at >= from && at < until && a.visible {
			ages = append(ages, float64(a.age))
		}
	}
	slices.Sort(ages)
	found := make([]float64, len(quantiles))
	for i, q := range quantiles {
		if len(ages) > 0 {
			found[i] = ages[min(int(q*float64(len(ages))), len(ages)-1)]
		}
	}
	return found
}

// late is, for each second, the staleness at 95 % of the stretch of time it lies in; NaN
// where too few came to say.
func (m *measured) late(stretch time.Duration) (values []float64) {
	const enough = 20
	stretches := make([][]float64, time.Duration(len(m.seconds))*time.Second/stretch+1)
	for _, a := range m.ages {
		if i := int(float64(a.at) / stretch.Seconds()); a.visible && i < len(stretches) {
			stretches[i] = append(stretches[i], float64(a.age))
		}
	}
	for i := range m.seconds {
		ages := stretches[time.Duration(i)*time.Second/stretch]
		if len(ages) < enough {
			values = append(values, math.NaN())
			continue
		}
		slices.Sort(ages)
		values = append(values, ages[len(ages)*95/100])
	}
	return values
}
