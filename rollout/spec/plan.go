package spec

import (
	"encoding/json"
	"math"
	"time"

	"sluice/rollout"
)

// Span is a duration that is a number of seconds in JSON.
type Span time.Duration

// MarshalJSON gives seconds.
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

func (s Span) String() string { return Short(time.Duration(s)) }

// Plan is what a rollout would do. Times are the earliest, from its start, without
// what it waits for: promotions, and the last old pages.
type Plan struct {
	Name             string         `json:"name"`
	Users            int            `json:"users,omitempty"` // 0: not known
	StartWeight      int            `json:"start_weight"`
	StartStream      rollout.Stream `json:"start_stream"` // empty: as the flag file says
	Steps            []PlannedStep  `json:"steps"`
	Lasts            Span           `json:"lasts_seconds"`
	StartingStep     int            `json:"starting_step"` // of Checks
	Checks           []PlannedCheck `json:"checks"`        // beside the steps
	ProgressDeadline Span           `json:"progress_deadline_seconds"`
	RollbackWeight   int            `json:"rollback_weight"`
	Cooldown         Span           `json:"cooldown_seconds"`
	Warnings         []string       `json:"warnings"`
}

// PlannedStep is one step of a plan, and the state it leads to.
type PlannedStep struct {
	Step       int            `json:"step"`
	Verb       Verb           `json:"verb"`
	At         Span           `json:"at_seconds"`
	AfterWaits int            `json:"after_waits"` // how many steps before this one wait
	Lasts      Span           `json:"lasts_seconds"`
	WaitsFor   Wait           `json:"waits_for,omitempty"`
	Weight     int            `json:"weight"`
	Stream     rollout.Stream `json:"stream"`
	Change     int            `json:"weight_change"`
	OnPoll     *int           `json:"users_on_poll,omitempty"` // nil: not known
	Moved      *int           `json:"users_moved,omitempty"`
	Checks     []PlannedCheck `json:"checks,omitempty"`
}

// Wait is what a step waits for whatever the time.
type Wait string

// The waits.
const (
	ForPromotion Wait = "promotion"
	ForOldPages  Wait = "no old page in 24 h"
)

// PlannedCheck is a metric of a plan.
type PlannedCheck struct {
	Name         string   `json:"name"`
	Source       Source   `json:"source"`
	Query        string   `json:"query,omitempty"`
	Address      string   `json:"address,omitempty"`
	Min          *float64 `json:"min,omitempty"`
	Max          *float64 `json:"max,omitempty"`
	Unit         Unit     `json:"unit,omitempty"`
	Interval     Span     `json:"interval_seconds"`
	Count        int      `json:"count,omitempty"`
	FailureLimit int      `json:"failure_limit"`
	MinSamples   int      `json:"min_samples,omitempty"`
	OnNoData     NoData   `json:"on_no_data"`
	DryRun       bool     `json:"dry_run,omitempty"`
}

// Plan tells what s would do at a site with so many users.
func (s Spec) Plan(site Site, users int) Plan {
	now := site.start()
	p := Plan{
		Name: s.Name, Users: users, StartWeight: now.Weight, StartStream: now.Stream,
		ProgressDeadline: Span(s.ProgressDeadline), RollbackWeight: s.Rollback.ToWeight, Cooldown: Span(s.Rollback.Cooldown),
		Checks: []PlannedCheck{}, Warnings: append([]string{}, s.Advice(site)...),
	}
	waits := 0
	for i, st := range s.Steps {
		next := s.After(i, site.start())
		step := PlannedStep{
			Step: i, Verb: st.Verb, At: p.Lasts, AfterWaits: waits, Lasts: Span(max(st.Pause, earliest(st.Metrics))), WaitsFor: st.WaitsFor(),
			Weight: next.Weight, Stream: next.Stream, Change: next.Weight - now.Weight, Checks: planned(st.Metrics),
		}
		if users > 0 {
			on := share(users, next.Weight)
			moved := on - share(users, now.Weight)
			step.OnPoll, step.Moved = &on, &moved
		}
		if step.WaitsFor != "" {
			waits++
		}
		p.Steps = append(p.Steps, step)
		p.Lasts += step.Lasts
		now = next
	}
	if s.Background != nil {
		p.StartingStep, p.Checks = s.Background.StartingStep, planned(s.Background.Metrics)
	}
	return p
}

// WaitsFor is what a step waits for that may take for ever; empty when nothing.
func (st Step) WaitsFor() Wait {
	switch {
	case st.Verb == Pause && st.Pause == 0:
		return ForPromotion
	case st.Verb == SetStream && st.Stream == rollout.Retired:
		return ForOldPages
	}
	return ""
}

// share is how many of users a weight is. Which they are, their ids decide.
func share(users, weight int) int { return int(math.Round(float64(users) * float64(weight) / 100)) }

func planned(metrics []Metric) (checks []PlannedCheck) {
	for _, m := range metrics {
		check := PlannedCheck{
			Name: m.Name, Source: m.Source, Query: m.Query, Address: m.Address, Min: m.Range.Min, Max: m.Range.Max, Interval: Span(m.Interval),
			Count: m.Count, FailureLimit: m.FailureLimit, MinSamples: m.MinSamples, OnNoData: m.OnNoData, DryRun: m.DryRun,
		}
		if c, ok := CheckNamed(m.Name); ok && m.Source == Internal {
			check.Unit = c.Unit
		}
		checks = append(checks, check)
	}
	return checks
}
