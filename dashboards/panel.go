package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Units, as Grafana names them.
const (
	perSecond = "reqps"
	events    = "ops"
	items     = "mps" // messages
	seconds   = "s"
	ratio     = "percentunit"
	count     = "none"
	times     = "short"
)

// The grid is 24 columns wide: six numbers, or three graphs, or two.
const (
	columns      = 24
	statHeight   = 4
	graphHeight  = 8
	statsInARow  = 6
	graphsInARow = 3
)

// Colours of what has one wherever it is drawn.
var colours = map[string]string{
	"poll": "blue", "bridge": "orange", "items": "blue", "empty": "light-blue", "reset": "purple", "throttled": "yellow", "refused": "super-light-orange", "error": "red",
	"p50": "light-green", "p95": "yellow", "p99": "red", "hit": "green", "absent": "blue", "differs": "purple", "stale": "yellow", "failed": "red", "late": "yellow", "gap": "red",
	"catch-up": "purple", "observed": "blue", "advised": "green", "recommended": "yellow", "minimum": "red", "maximum": "red", "value": "blue",
	"ok": "green", "unavailable": "red", "too_late": "orange", "bad_answer": "purple", "missed": "red", "extra": "yellow",
	"completed": "green", "paused": "yellow", "aborted": "red",
}

// graph shows lines over time, from 0 on.
func graph(title, unit, description string, queries ...query) *timeseries.PanelBuilder {
	return plot(title, unit, description, queries...).AxisSoftMin(0)
}

// plot shows lines over time, as near as they are to each other.
func plot(title, unit, description string, queries ...query) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(description).Unit(unit).Datasource(source()).
		Height(graphHeight).Span(columns / graphsInARow).LineWidth(2).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, q := range queries {
		p.WithTarget(q.target(refs(i)))
	}
	return p
}

// wide makes a graph one of two in its line.
func wide(p *timeseries.PanelBuilder) *timeseries.PanelBuilder { return p.Span(columns / 2) }

// stacked adds the lines of a graph up; as shares of 100 % if asked.
func stacked(p *timeseries.PanelBuilder, shares bool) *timeseries.PanelBuilder {
	mode := common.StackingModeNormal
	if shares {
		mode = common.StackingModePercent
	}
	return p.Stacking(common.NewStackingConfigBuilder().Mode(mode)).FillOpacity(40).LineWidth(1)
}

// coloured gives lines the colours that their names have everywhere.
func coloured(p *timeseries.PanelBuilder, names ...string) *timeseries.PanelBuilder {
	for _, name := range names {
		p.OverrideByName(name, fixed(colours[name]))
	}
	return p
}

func fixed(colour string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": colour}}}
}

// target draws dashed lines that the graph's lines should stay below, and makes room
// for them.
func target(p *timeseries.PanelBuilder, above ...step) *timeseries.PanelBuilder {
	return p.Thresholds(steps("transparent", above...)).AxisSoftMax(1.1 * above[len(above)-1].from).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}

// number shows what is the case now, or over the time that is looked at, in the
// colour of the highest step it has reached.
func number(title, unit, description string, q query, base string, at ...step) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(description).Unit(unit).Datasource(source()).
		Height(statHeight).Span(columns / statsInARow).WithTarget(q.target("A")).Thresholds(steps(base, at...)).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Orientation(common.VizOrientationAuto).GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeValue)
}

// total shows a number over the time that is looked at: no line could be drawn of it.
func total(title, unit, description string, q query, base string, at ...step) *stat.PanelBuilder {
	p := number(title, unit, description, q, base, at...).GraphMode(common.BigValueGraphModeNone)
	p.Targets(nil).WithTarget(q.target("A").Instant())
	return p
}

// step is a value from which on another colour is shown.
type step struct {
	from   float64
	colour string
}

func steps(base string, above ...step) *dashboard.ThresholdsConfigBuilder {
	all := []dashboard.Threshold{{Color: base}}
	for _, s := range above {
		all = append(all, dashboard.Threshold{Value: &s.from, Color: s.colour})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(all)
}
