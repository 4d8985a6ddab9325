package demo

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"sync"
)

//go:embed templates
var templates embed.FS

// views holds one template set per page. A gateway, which is the same program, needs none.
var views = sync.OnceValue(func() map[string]*template.Template {
	sets := map[string]*template.Template{}
	for _, name := range []string{"start", "dashboard", "activity", "jobs", "job", "documents", "document"} {
		sets[name] = template.Must(template.ParseFS(templates,
			"templates/layout.html", "templates/eventsource.html", "templates/"+name+".html"))
	}
	return sets
})

// view is what a page shows. Old pages hold the EventSource script, new ones
// the polling client's script tag; nothing else may depend on Old.
type view struct {
	Name, Title string
	Data        any
	Missing     bool // what the page is about is unknown: 404

	User string // empty: signed out
	Live bool   // with live updates: every page but the start page
	Old  bool
}

// page shows a view to a signed-in user and sends others to the start page.
func (a *App) page(show func(r *http.Request, user string) (view, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := a.user(r)
		if user == "" {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		v, err := show(r, user)
		if err != nil {
			writeFault(w)
			return
		}
		v.User, v.Live = user, true
		v.Old = r.URL.Path == "/dashboard/old" || r.URL.Query().Get("page") == "old"
		render(w, v)
	}
}

// render writes a whole page or a whole error, never half a page.
func render(w http.ResponseWriter, v view) {
	var body bytes.Buffer
	if err := views()[v.Name].ExecuteTemplate(&body, "layout", v); err != nil {
		writeFault(w)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-cache")
	if v.Missing {
		w.WriteHeader(http.StatusNotFound)
	}
	w.Write(body.Bytes())
}

// start answers GET /: signed out it offers the users, signed in the pages.
func (a *App) start(w http.ResponseWriter, r *http.Request) {
	render(w, view{Name: "start", Title: "Start", User: a.user(r), Data: users})
}

func (a *App) dashboardPage(*http.Request, string) (view, error) {
	return view{Name: "dashboard", Title: "Dashboard", Data: levels}, nil
}

func (a *App) activityPage(r *http.Request, user string) (view, error) {
	list, err := a.store.list(r.Context(), user, "", defaultLimit)
	items := make([]streamed, len(list))
	for i, n := range list {
		items[i] = forStream(n)
	}
	return view{Name: "activity", Title: "Activity", Data: items}, err
}

func (a *App) jobsPage(_ *http.Request, user string) (view, error) {
	all := a.jobs.of(user, func(*job) bool { return true })
	return view{Name: "jobs", Title: "Jobs", Data: all}, nil
}

// detail is the page of one thing. ID is what was asked for; Job is nil when
// there is no such thing (any more).
type detail struct {
	ID  string
	Job *job
}

func (a *App) jobPage(r *http.Request, user string) (view, error) {
	id := r.PathValue("id")
	j := a.jobs.find(user, id)
	return view{Name: "job", Title: "Job", Data: detail{id, j}, Missing: j == nil}, nil
}

func (a *App) documentsPage(_ *http.Request, user string) (view, error) {
	made := a.jobs.of(user, func(j *job) bool { return j.DocumentID != "" })
	return view{Name: "documents", Title: "Documents", Data: made}, nil
}

func (a *App) documentPage(r *http.Request, user string) (view, error) {
	id := r.PathValue("id")
	j := a.jobs.findDocument(user, id)
	return view{Name: "document", Title: "Document", Data: detail{id, j}, Missing: j == nil}, nil
}

// Href is where a notification leads: its own href, else its document, else its
// job. It is empty when that is nowhere, or no http link.
func (s streamed) Href() string {
	if href := s.text("href"); href != "" {
		if !httpLink.MatchString(href) {
			return ""
		}
		return href
	}
	if id := s.text("document_id"); id != "" {
		return "/dashboard/documents/" + url.PathEscape(id)
	}
	if id := s.text("job_id"); id != "" {
		return "/dashboard/jobs/" + url.PathEscape(id)
	}
	return ""
}

// httpLink is a path of this site or http(s). The legacy pages' rule, "starts
// with / or http", lets "//host" through, which looks like a path and leads
// elsewhere; browsers read a backslash as a slash, and leave control characters out.
var httpLink = regexp.MustCompile(`^((?i)https?://|/([^/\\\x00-\x1f\x7f]|$))[^\x00-\x1f\x7f]*$`)

func (s streamed) text(key string) string {
	value, _ := s.Context[key].(string)
	return value
}
