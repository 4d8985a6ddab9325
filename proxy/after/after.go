// Package after tells from outside whether a deployment holds what the move to
// polling promised: the verification list of the migration guide, and what the old
// app did besides. It works before Sluice is taken out and after that.
//
// It reads only: of a user it asks what their browser asks. The user's credential
// goes nowhere but to the deployment, and into no finding.
package after

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Deployment is what is looked at.
type Deployment struct {
	URL string // the public address, as browsers have it; no slash at its end
	// Credentials are the header of a user who is signed in; without, what needs one
	// cannot be told.
	Credentials http.Header
	Admin       string // URL of a gateway's admin listener; empty: none
	Page        string // path of a page that shows notifications; empty: none is looked at
	Pipeline    string // path and query of a pipeline's stream that is under way; empty: none
}

// Verdict is what has been found of a point.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Failed  Verdict = "failed"
	Unknown Verdict = "unknown" // it cannot be told from here
)

// Point is one line of the list.
type Point struct {
	Name    string  `json:"point"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`        // what was seen, or why nothing was
	Do      string  `json:"do,omitempty"` // what is to be done about it
}

// Report is the whole list.
type Report struct {
	URL    string  `json:"url"`
	Sluice bool    `json:"sluice"` // Sluice answers there, and not the app alone
	Points []Point `json:"points"`
}

// Count is how many points have a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, p := range r.Points {
		if p.Verdict == v {
			n++
		}
	}
	return n
}

// finding is a point without its name.
type finding struct {
	verdict   Verdict
	found, do string
}

func ok(format string, args ...any) finding {
	return finding{verdict: OK, found: fmt.Sprintf(format, args...)}
}

func failed(do, format string, args ...any) finding {
	return finding{Failed, fmt.Sprintf(format, args...), do}
}

func unknown(do, format string, args ...any) finding {
	return finding{Unknown, fmt.Sprintf(format, args...), do}
}

// The list, in the guide's order as far as it has one.
var list = []struct {
	name string
	look func(*visit, context.Context) finding
}{
	{"endpoint", (*visit).endpoint},
	{"after_id", (*visit).newer},
	{"limit", (*visit).limits},
	{"unauthorized", (*visit).unauthorized},
	{"no session", (*visit).stateless},
	{"client script", (*visit).script},
	{"page", (*visit).page},
	{"browsers poll", (*visit).polling},
	{"everybody polls", (*visit).everybody},
	{"old stream", (*visit).stream},
	{"old pages", (*visit).oldPages},
	{"open streams", (*visit).openStreams},
	{"server errors", (*visit).errors},
	{"pipelines", (*visit).pipelines},
	{"cursor", browser("Application > Local storage holds last_notification_id, and it changes with each notification")},
	{"toasts", browser("create a notification: one toast in each tab, none again after a reload")},
	{"events", browser("on the activity page it is added at the top; addEventListener('notification:created', console.log) in the console shows it")},
	{"htmx", browser("with a document's or job's page open, finish a job: that part of the page is loaded anew")},
	{"retries", browser("Network > Offline for a minute: one toast, and requests at 1, 2, 4 … 30 s; then it goes on")},
	{"hidden tab", browser("look at another tab for a minute: the first has sent nothing meanwhile, and polls at once when it is back")},
	{"console", browser("the console has no errors")},
}

// visit is one look at a deployment.
type visit struct {
	Deployment
	client    *http.Client
	sluice    bool
	transport string // of the user, as Sluice says; empty: not known
	first     answer // to the endpoint, with the credential
	series    map[string]float64
	noAdmin   string // why there is no series
}

// timeout bounds each request.
const timeout = 10 * time.Second

// Verify looks at a deployment. It takes a few seconds, and at most about a minute
// and a half when nothing answers.
func Verify(ctx context.Context, d Deployment) Report {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	v := &visit{Deployment: d, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	v.begin(ctx)
	r := Report{URL: d.URL, Sluice: v.sluice}
	for _, p := range list {
		f := p.look(v, ctx)
		r.Points = append(r.Points, Point{p.name, f.verdict, f.found, f.do})
	}
	return r
}

// begin asks what several points are about. Metrics come first: what is asked here
// shall not count.
func (v *visit) begin(ctx context.Context) {
	v.scrape(ctx)
	v.sluice, v.transport = v.ask(ctx, "/_sluice/config", v.Credentials).config()
	if len(v.Credentials) > 0 {
		v.first = v.ask(ctx, "/api/notifications?limit=2", v.Credentials)
	}
}
