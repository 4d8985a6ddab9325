package dashboards

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// board is a dashboard with what all of ours have: the variables, links to the
// others, an hour to look at.
type board struct{ *dashboard.DashboardBuilder }

const tag = "sluice"

// newBoard begins one. The classic format is what every supported Grafana imports.
func newBoard(uid, title, description string) *board {
	b := dashboard.NewDashboardBuilder("Sluice / " + title) //nolint:staticcheck // only the newest Grafana reads its successor
	b.Uid("sluice-"+uid).Description(description).Tags([]string{tag}).
		Readonly().Refresh("30s").Time("now-1h", "now").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(choice("job", "Job", `label_values(sluice_poll_interval_advised_seconds, job)`)).
		WithVariable(choice("instance", "Instance", `label_values(sluice_poll_interval_advised_seconds{job=~"$job"}, instance)`)).
		Link(dashboard.NewDashboardLinkBuilder("Sluice").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).IncludeVars(true).KeepTime(true))
	return &board{b}
}

// choice is a variable that the series offer; all of them unless somebody chooses.
func choice(name, label, query string) *dashboard.QueryVariableBuilder {
	all := dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}
	return dashboard.NewQueryVariableBuilder(name).Label(label).Query(dashboard.StringOrMap{String: &query}).Datasource(source()).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).AllValue(".+").
		Current(dashboard.VariableOption{Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: all})
}

// row begins a new line of panels under a heading.
func (b *board) row(title string) { b.WithRow(dashboard.NewRowBuilder(title)) }

func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// query is what a panel asks, and how its lines are called.
type query struct{ expr, legend string }

// one is the only query of a panel whose title says it all.
func one(expr string) query { return query{expr, ""} }

// promql fills in what all queries have: @ among matchers stands for the chosen
// gateways, and as a range for the one that fits the zoom.
func promql(expr string) string {
	return strings.NewReplacer("{@", `{job=~"$job", instance=~"$instance"`, "[@]", "[$__rate_interval]").Replace(expr)
}

func (q query) target(ref string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(promql(q.expr)).LegendFormat(q.legend).RefId(ref).Datasource(source()).Range()
}

// refs names the queries of a panel.
func refs(i int) string { return string(rune('A' + i)) }
