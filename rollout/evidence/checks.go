package evidence

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// errNothing is why there is no data before a leader has seen enough.
var errNothing = errors.New("the gateways' counters were not seen for long enough yet")

// Internal measures one of spec.Checks.
func (h *History) Internal(m spec.Metric, since time.Time) control.Measurement {
	c, over := h.Since(since)
	if over <= 0 {
		return control.Measurement{Err: errNothing}
	}
	switch m.Name {
	case "poll-success-ratio":
		return ratio(c[PollsOK], c[PollsOK]+c[PollsFailed])
	case "staleness-p95":
		return quantile(c, "poll", 0.95)
	case "false-empties":
		return control.Measurement{Value: c[FalseEmpties], Samples: int(c[Audits])}
	case "shadow-missed":
		return ratio(c[Missed], c[Compared])
	case "shadow-extra":
		return ratio(c[Extra], c[Compared])
	case "backend-rate":
		return control.Measurement{Value: c[SourceReads] / over.Seconds(), Samples: int(c[PollsOK] + c[PollsFailed])}
	case "legacy-reconnect-rate":
		return reconnects(c, over)
	case "cohort-staleness-p95":
		poll, stream := quantile(c, "poll", 0.95), quantile(c, "bridge", 0.95)
		return control.Measurement{Value: poll.Value - stream.Value, Samples: min(poll.Samples, stream.Samples)}
	}
	return control.Measurement{Err: fmt.Errorf("there is no check %s", m.Name)}
}

// ratio of a part; a whole of 0 has no samples, and so no data.
func ratio(part, whole float64) control.Measurement {
	if whole == 0 {
		return control.Measurement{}
	}
	return control.Measurement{Value: part / whole, Samples: int(whole)}
}

// reconnects an hour and open stream.
func reconnects(c Counts, over time.Duration) control.Measurement {
	open := c[StreamSeconds] / over.Seconds()
	if open <= 0 {
		return control.Measurement{}
	}
	return control.Measurement{Value: c[StreamsOpened] / over.Hours() / open, Samples: int(math.Round(open))}
}

// quantile of a transport's staleness: the edge below which the share q lies, by
// linear interpolation in its bucket, as Prometheus does.
func quantile(c Counts, transport string, q float64) control.Measurement {
	prefix := Staleness + transport + ":"
	var edges []float64
	for name := range c {
		if text, ok := strings.CutPrefix(name, prefix); ok {
			if edge, err := strconv.ParseFloat(text, 64); err == nil {
				edges = append(edges, edge)
			}
		}
	}
	slices.Sort(edges)
	count := func(edge float64) float64 { return c[prefix+strconv.FormatFloat(edge, 'g', -1, 64)] }
	if len(edges) == 0 || count(edges[len(edges)-1]) == 0 {
		return control.Measurement{}
	}
	all := count(edges[len(edges)-1])
	below, low := 0.0, 0.0
	for _, edge := range edges {
		if n := count(edge); n >= q*all {
			if math.IsInf(edge, 1) {
				return control.Measurement{Value: low, Samples: int(all)}
			}
			return control.Measurement{Value: low + (edge-low)*(q*all-below)/(n-below), Samples: int(all)}
		}
		below, low = count(edge), edge
	}
	return control.Measurement{}
}

// Querier asks Prometheus for one number.
type Querier func(ctx context.Context, address, query string) (value float64, err error)

// Prometheus measures a query.
func Prometheus(ctx context.Context, ask Querier, m spec.Metric) control.Measurement {
	if m.Address == "" {
		return control.Measurement{Err: errors.New("no Prometheus address is given")}
	}
	v, err := ask(ctx, m.Address, m.Query)
	return control.Measurement{Value: v, Samples: m.MinSamples, Err: err}
}
