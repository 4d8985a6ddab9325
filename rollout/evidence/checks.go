package evidence

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// errBrief is why there is no data yet.
var errBrief = fmt.Errorf("the gateways' counters were not seen all that time: %w", control.ErrLater)

// Measure measures one of spec.Checks.
func (h *History) Measure(m spec.Metric, since, now time.Time) control.Measurement {
	c, over := h.Since(since, now)
	if over <= 0 {
		return control.Measurement{Err: errBrief}
	}
	switch m.Name {
	case spec.PollSuccessRatio:
		return ratio(c[PollsOK], c[PollsOK]+c[PollsFailed])
	case spec.StalenessP95:
		return quantile(c, Poll, 0.95)
	case spec.FalseEmpties:
		return control.Measurement{Value: c[FalseEmpties], Samples: int(c[Audits])}
	case spec.ShadowMissed:
		return ratio(c[Missed], c[Compared])
	case spec.ShadowExtra:
		return ratio(c[Extra], c[Compared])
	case spec.BackendRate:
		return control.Measurement{Value: c[SourceReads] / over.Seconds(), Samples: int(c[PollsOK] + c[PollsFailed])}
	case spec.LegacyReconnectRate:
		return reconnects(c, over)
	case spec.CohortStalenessP95:
		poll, stream := quantile(c, Poll, 0.95), quantile(c, Bridge, 0.95)
		return control.Measurement{Value: poll.Value - stream.Value, Samples: min(poll.Samples, stream.Samples)}
	}
	return control.Measurement{Err: fmt.Errorf("there is no check %s", m.Name)}
}

// The transports whose staleness is counted.
const (
	Poll   = "poll"
	Bridge = "bridge"
)

// StalenessCount names the count of items of a transport that were at most edge
// seconds stale.
func StalenessCount(transport string, edge float64) string {
	return Staleness + transport + ":" + strconv.FormatFloat(edge, 'g', -1, 64)
}

// ratio of a part; a whole of 0 has no samples, and so no data.
func ratio(part, whole float64) control.Measurement {
	if whole == 0 {
		return control.Measurement{}
	}
	return control.Measurement{Value: part / whole, Samples: int(whole)}
}

// reconnects an hour and open stream. The samples are the streams that were open, on
// average.
func reconnects(c Counts, over time.Duration) control.Measurement {
	open := c[StreamSeconds] / over.Seconds()
	if open <= 0 {
		return control.Measurement{}
	}
	return control.Measurement{Value: c[StreamsEnded] / over.Hours() / open, Samples: int(math.Round(open))}
}

// quantile of a transport's staleness: the value below which the share q lies, by
// linear interpolation in its bucket, as Prometheus does. In the last bucket, which
// has no end, it is where that begins.
func quantile(c Counts, transport string, q float64) control.Measurement {
	edges := edgesOf(c, transport)
	if len(edges) == 0 {
		return control.Measurement{}
	}
	all := c[StalenessCount(transport, edges[len(edges)-1])]
	below, low := 0.0, 0.0
	for _, edge := range edges {
		n := c[StalenessCount(transport, edge)]
		if n > 0 && n >= q*all {
			value := low
			if !math.IsInf(edge, 1) {
				value += (edge - low) * (q*all - below) / (n - below)
			}
			return control.Measurement{Value: value, Samples: int(all)}
		}
		below, low = n, edge
	}
	return control.Measurement{}
}

// edgesOf are the ends of a transport's buckets, ascending.
func edgesOf(c Counts, transport string) (edges []float64) {
	for name := range c {
		if text, ok := strings.CutPrefix(name, Staleness+transport+":"); ok {
			if edge, err := strconv.ParseFloat(text, 64); err == nil {
				edges = append(edges, edge)
			}
		}
	}
	slices.Sort(edges)
	return edges
}
