package spec

// Unit is the unit of a check's value.
type Unit string

// The units.
const (
	Ratio     Unit = "ratio" // 0..1
	Seconds   Unit = "s"
	Count     Unit = "count"
	PerSecond Unit = "/s"
	PerHour   Unit = "/h"
)

// Need is whom a check watches. Where there are none of them it has no data.
type Need string

// The needs.
const (
	Pollers   Need = "users on poll"
	AppStream Need = "users on the app's own stream"
	Both      Need = "users on poll and users on a stream"
	Streams   Need = "a stream that is not retired"
)

// The names of the checks.
const (
	PollSuccessRatio    = "poll-success-ratio"
	StalenessP95        = "staleness-p95"
	FalseEmpties        = "false-empties"
	ShadowMissed        = "shadow-missed"
	ShadowExtra         = "shadow-extra"
	BackendRate         = "backend-rate"
	LegacyReconnectRate = "legacy-reconnect-rate"
	CohortStalenessP95  = "cohort-staleness-p95"
)

// Check is one of the built-in checks, the metrics of source internal. All count
// over all replicas, in the interval just past.
type Check struct {
	Name   string
	Unit   Unit
	What   string // the value, in words
	Sample string // what MinSamples counts, in the plural
	Needs  Need
	// Range is the default thresholdRange. It has no ends where only the operator
	// can know one; the file must then.
	Range      Range
	MinSamples int // the default
}

// Checks are all there are. Two comparisons of cohorts that one might miss are left
// out on purpose: success, since a held stream and a poll fail in different
// ways, and items a user, since shadow-missed tells exactly what that could only guess.
var Checks = []Check{
	{
		Name: PollSuccessRatio, Unit: Ratio, Needs: Pollers,
		What:   "polls that Sluice answered with 200, of those with valid credentials and parameters that came not too often",
		Sample: "polls", MinSamples: 100, Range: atLeast(0.999),
	},
	{
		Name: StalenessP95, Unit: Seconds, Needs: Pollers,
		What:   "95th percentile of the time from an item's creation to its delivery by a poll, without what waited for a closed laptop; one item in 5 s of each user counts",
		Sample: "items", MinSamples: 20, Range: atMost(10),
	},
	{
		Name: FalseEmpties, Unit: Count, Needs: Pollers,
		What:   "audits that found an item hidden by the cache for longer than its bound",
		Sample: "audits", MinSamples: 1, Range: atMost(0),
	},
	{
		Name: ShadowMissed, Unit: Ratio, Needs: AppStream,
		What:   "items that the app's stream delivered and polling would not have, of all items compared",
		Sample: "items", MinSamples: 20, Range: atMost(0),
	},
	{
		Name: ShadowExtra, Unit: Ratio, Needs: AppStream,
		What:   "items that polling would have delivered and the app's stream did not, of all items compared; that stream is known to lose some",
		Sample: "items", MinSamples: 20, Range: atMost(0.05),
	},
	{
		Name: BackendRate, Unit: PerSecond, Needs: Pollers,
		What:   "reads of the app's data by all gateways; how many it can bear only you know",
		Sample: "polls", MinSamples: 1,
	},
	{
		Name: LegacyReconnectRate, Unit: PerHour, Needs: Streams,
		What:   "reconnects of old pages, each of which shows its user an error, an hour and open stream; about 13 with compat.old_page_duration 290s, 120 when streams are refused",
		Sample: "open streams", MinSamples: 10, Range: atMost(30),
	},
	{
		Name: CohortStalenessP95, Unit: Seconds, Needs: Both,
		What:   "staleness-p95 of users on poll, less that of users on a stream at the same time",
		Sample: "items in the smaller cohort", MinSamples: 20, Range: atMost(10),
	},
}

// CheckNamed finds a check.
func CheckNamed(name string) (Check, bool) {
	for _, c := range Checks {
		if c.Name == name {
			return c, true
		}
	}
	return Check{}, false
}

func atLeast(v float64) Range { return Range{Min: &v} }
func atMost(v float64) Range  { return Range{Max: &v} }
