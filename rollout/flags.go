package rollout

import (
	"slices"

	"github.com/open-feature/go-sdk/openfeature"
)

// Transport is how a user gets notifications.
type Transport string

// Stream is what the legacy stream is for a user.
type Stream string

// The values of the two flags.
const (
	SSE  Transport = "sse"  // over the stream; the app answers its own endpoints
	Poll Transport = "poll" // by polling Sluice

	Upstream Stream = "upstream" // the app's own, passed through
	Bridge   Stream = "bridge"   // Sluice's, fed by polls
	Retired  Stream = "retired"  // gone: 204
)

// The names of the two flags, as in the flag file.
const (
	TransportFlag = "notifications-transport"
	StreamFlag    = "legacy-stream"
)

// definition is all that Sluice knows of a flag before it sees a file.
type definition struct {
	key      string
	values   []string
	safe     string // when the file does not say: day one changes nothing
	fileless string // when there is no file: the move is done
}

var (
	transportFlag = definition{
		key:      TransportFlag,
		values:   []string{string(SSE), string(Poll)},
		safe:     string(SSE),
		fileless: string(Poll),
	}
	streamFlag = definition{
		key:      StreamFlag,
		values:   []string{string(Upstream), string(Bridge), string(Retired)},
		safe:     string(Upstream),
		fileless: string(Bridge),
	}
	definitions = []definition{transportFlag, streamFlag}
)

func (d definition) allows(value string) bool { return slices.Contains(d.values, value) }

// reasons are OpenFeature's, written as OpenTelemetry writes them
// (feature_flag.result.reason). A reason that is none of them is "unknown".
var reasons = map[openfeature.Reason]string{
	openfeature.StaticReason:         "static",          // the flag has no targeting
	openfeature.TargetingMatchReason: "targeting_match", // a list of users, or the final else
	openfeature.SplitReason:          "split",           // a fractional split
	openfeature.DefaultReason:        "default",         // targeting, flag or user is silent
	openfeature.DisabledReason:       "disabled",        // the flag's state
	openfeature.ErrorReason:          "error",           // the provider failed, or answered nonsense
	openfeature.UnknownReason:        "unknown",         // another provider's own reason
}

func label(r openfeature.Reason) string {
	if s, ok := reasons[r]; ok {
		return s
	}
	return reasons[openfeature.UnknownReason]
}

// EachEvaluation visits every combination that OnEvaluation can be told, so that
// counters can exist before the first request. The order is not defined.
func EachEvaluation(visit func(flag, variant, reason string)) {
	for _, d := range definitions {
		for _, value := range d.values {
			for _, reason := range reasons {
				visit(d.key, value, reason)
			}
		}
	}
}
