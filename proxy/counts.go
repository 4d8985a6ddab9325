package proxy

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sluice/rollout/evidence"
)

// counts is what this gateway has counted, for the checks of a rollout.
func (g *Gateway) counts() evidence.Counts {
	m := g.metrics
	c := evidence.Counts{
		evidence.Uptime:       time.Since(g.began).Seconds(),
		evidence.Audits:       read(m.audits).GetCounter().GetValue(),
		evidence.FalseEmpties: read(m.falseEmpty).GetCounter().GetValue(),
		evidence.Compared:     read(m.shadow.compared).GetCounter().GetValue(),
		evidence.Missed:       read(m.shadow.missed).GetCounter().GetValue(),
		evidence.Extra:        read(m.shadow.extra).GetCounter().GetValue(),
		evidence.PollsFailed:  read(m.pollsFailed).GetCounter().GetValue(), // who polls too often harms nobody else, and stops no rollout
	}
	for _, client := range clients {
		polls := func(result string) float64 {
			return read(m.polls.WithLabelValues(client, result)).GetCounter().GetValue()
		}
		c[evidence.PollsOK] += polls("items") + polls("empty") + polls("reset")
	}
	for _, outcome := range outcomes {
		c[evidence.SourceReads] += read(m.sourceRequests.WithLabelValues(g.config.Store.Driver, outcome)).GetCounter().GetValue()
	}
	c[evidence.StreamsEnded], c[evidence.StreamSeconds] = g.oldPages.total()
	for transport, metric := range map[string]prometheus.Metric{
		evidence.Poll: m.evidence, evidence.Bridge: m.staleness.WithLabelValues(evidence.Bridge).(prometheus.Metric),
	} {
		h := read(metric).GetHistogram()
		for _, b := range h.GetBucket() {
			c[evidence.StalenessCount(transport, b.GetUpperBound())] = float64(b.GetCumulativeCount())
		}
		c[evidence.StalenessCount(transport, math.Inf(1))] = float64(h.GetSampleCount())
	}
	return c
}

// read is a metric's value as it is now.
func read(m prometheus.Metric) *dto.Metric {
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		panic(err) // ours are well-formed
	}
	return &d
}

// streamTime adds up how long streams of old pages were open, and counts those that
// ended under their readers, who then see an error. The zero value is ready.
type streamTime struct {
	mu      sync.Mutex
	open    int
	seconds float64
	at      time.Time // up to which the seconds are added
	ended   float64
}

// enter notes a stream; the function it returns notes its end. It was the reader's
// doing if the request is over by then.
func (s *streamTime) enter(request context.Context) (leave func()) {
	s.change(1, 0)
	return func() {
		if request.Err() != nil {
			s.change(-1, 0)
			return
		}
		s.change(-1, 1)
	}
}

func (s *streamTime) change(open int, ended float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add()
	s.open, s.ended = s.open+open, s.ended+ended
}

// add brings the seconds up to now.
func (s *streamTime) add() {
	now := time.Now()
	s.seconds += float64(s.open) * now.Sub(s.at).Seconds()
	s.at = now
}

func (s *streamTime) total() (ended, seconds float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add()
	return s.ended, s.seconds
}
