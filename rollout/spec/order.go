package spec

import (
	"fmt"
	"slices"

	"sluice/rollout"
)

// checkOrder refuses steps that would take users back, or take the stream from
// people who still need it. Polls need no bridge: a page that still has its stream
// keeps it, whatever its user is on.
func (r *reader) checkOrder(s Spec) {
	now := State{Stream: streams[0]}
	bridged := false
	for i, st := range s.Steps {
		f := r.at[fmt.Sprintf("spec.steps[%d].%s", i, st.Verb)]
		switch st.Verb {
		case SetWeight:
			if st.Weight < now.Weight {
				r.fail(f, "%d would take users back from %d; weights only rise, and abort is the way back", st.Weight, now.Weight)
			}
			now.Weight = max(now.Weight, st.Weight)
		case SetStream:
			r.checkStream(f, st.Stream, now, bridged)
			now.Stream = st.Stream
			bridged = bridged || st.Stream == rollout.Bridge
		}
	}
}

func (r *reader) checkStream(f field, next rollout.Stream, now State, bridged bool) {
	switch {
	case slices.Index(streams, next) < slices.Index(streams, now.Stream):
		r.fail(f, "%s would go back from %s; the order is upstream, bridge, retired", next, now.Stream)
	case next == rollout.Retired && now.Weight < 100:
		r.fail(f, "retired needs setWeight: 100 in a step before it")
	case next == rollout.Retired && !bridged:
		r.fail(f, "retired needs setStream: bridge in a step before it: the bridge is what asks old pages to reload")
	}
}

// checkTimes refuses steps that could never end in time.
func (r *reader) checkTimes(s Spec) {
	if s.ProgressDeadline == 0 {
		return
	}
	for i, st := range s.Steps {
		takes := max(st.Pause, earliest(st.Metrics))
		if takes >= s.ProgressDeadline {
			r.fail(r.at["spec.progressDeadline"], "%s is not above the %s that spec.steps[%d] takes; every step must end within it",
				Short(s.ProgressDeadline), Short(takes), i)
			return
		}
	}
}
