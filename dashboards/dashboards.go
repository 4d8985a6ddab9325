// Package dashboards makes Sluice's Grafana dashboards, and keeps the Prometheus
// rules beside them. What operators load are the files: grafana/*.json and
// rules/*.yaml. The former are written by dashboards/build from this package; a test
// says when they are out of date.
//
// The conventions are those of Grafana's dashboard linter, and a test holds them: one
// data source, $job and $instance in every selector, a title, a description and a
// unit on every panel, counters only under rate or increase. Targets are the
// rollout's own (rollout/spec), so that a line on a dashboard, an alert and a step of a
// rollout never disagree. Legends and colours are the same everywhere: one word, one colour.
package dashboards

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Targets. They are the defaults of the checks poll-success-ratio, staleness-p95, shadow-extra
// and legacy-reconnect-rate; the rules have them too, and tests compare all three.
const (
	SuccessTarget   = 0.999 // of polls
	StalenessTarget = 10    // seconds, for 95 % of items
	AlarmTarget     = 30    // ends of an old page's stream, an hour
	HeldTarget      = 0.5   // of streams may be held back: some only belong to pages that were left
	ExtraTarget     = 0.05  // of the items that the shadow compares
)

// Files returns the dashboards by their file names.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, b := range map[string]*board{"overview": overview(), "tuning": tuning(), "migration": migration(), "bridge-and-cache": bridgeAndCache()} {
		made, err := b.build()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text, err := json.MarshalIndent(made, "", " ")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name+".json"] = append(text, '\n')
	}
	return files, nil
}

// build gives panels their ids, from 1: Grafana wants them, and links go by them.
func (b *board) build() (dashboard.Dashboard, error) { //nolint:staticcheck // see newBoard
	made, err := b.Build()
	for i, p := range made.Panels {
		id := uint32(i + 1)
		if p.Panel != nil {
			p.Panel.Id = &id
		} else {
			p.RowPanel.Id = id
		}
	}
	return made, err
}
