package demo

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
)

const clientTag = `<script src="/_sluice/client.js" defer></script>`

// inline is a page's own script; the old page's EventSource block is the only one.
var inline = regexp.MustCompile(`(?s)<script>.*?</script>`)

func TestOldAndNewDifferInOneScriptTag(t *testing.T) {
	a := newApp(t)
	for old, new := range map[string]string{
		"/dashboard/old":                   "/dashboard/new",
		"/dashboard/activity?page=old":     "/dashboard/activity",
		"/dashboard/jobs?page=old":         "/dashboard/jobs",
		"/dashboard/jobs/j1?page=old":      "/dashboard/jobs/j1",
		"/dashboard/documents?page=old":    "/dashboard/documents",
		"/dashboard/documents/d1?page=old": "/dashboard/documents/d1",
	} {
		was, is := get(t, a, old, "alice").Body.String(), get(t, a, new, "alice").Body.String()
		if !strings.Contains(was, "new EventSource('/api/stream')") || len(inline.FindAllString(was, -1)) != 1 {
			t.Errorf("%s: not one EventSource block", old)
		}
		if strings.Count(is, clientTag) != 1 {
			t.Errorf("%s: not one client tag", new)
		}
		if inline.ReplaceAllLiteralString(was, clientTag) != is {
			t.Errorf("%s and %s differ in more than the script", old, new)
		}
	}
}

func TestPagesHaveWhatTheScriptsLookFor(t *testing.T) {
	a := newApp(t)
	tests := []struct {
		path   string
		status int
		want   string
	}{
		{"/dashboard/new", 200, `data-job-form`},
		{"/dashboard/jobs", 200, `<div data-jobs-page>`},
		{"/dashboard/jobs/j%22%3E1", 404, `data-job-detail data-job-id="j&#34;&gt;1"`},
		{"/dashboard/documents", 200, `<div data-documents-page>`},
		{"/dashboard/documents/d1", 404, `data-document-detail data-document-id="d1"`},
		{"/dashboard/activity", 200, `<ul id="activity-feed"`},
		{"/dashboard/activity", 200, `id="activity-empty"`},
		{"/", 200, `signed in as <b>alice</b>`},
	}
	for _, tt := range tests {
		w := get(t, a, tt.path, "alice")
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d, want %d and %s", tt.path, w.Code, tt.status, tt.want)
		}
		if !strings.Contains(w.Body.String(), `<div id="toasts"`) {
			t.Errorf("%s: no toast overlay", tt.path)
		}
	}
}

func TestPagesShowJobsAndDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		id := order(t, a, `{"kind":"document"}`)
		synctest.Wait()
		document := a.jobs.find("alice", id).DocumentID
		for path, want := range map[string]string{
			"/dashboard/jobs":                  `href="/dashboard/jobs/` + id + `"`,
			"/dashboard/jobs/" + id:            `<dd>finished</dd>`,
			"/dashboard/documents":             `href="/dashboard/documents/` + document + `"`,
			"/dashboard/documents/" + document: `<dd>finished</dd>`,
		} {
			if w := get(t, a, path, "alice"); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d without %s", path, w.Code, want)
			}
			if w := get(t, a, path, "bob"); strings.Contains(w.Body.String(), want) {
				t.Errorf("%s shows alice's to bob", path)
			}
		}
	})
}

func TestPagesNeedASignIn(t *testing.T) {
	a := newApp(t)
	for _, path := range []string{"old", "new", "activity", "jobs", "jobs/1", "documents", "documents/1"} {
		w := answer(a, httptest.NewRequest("GET", "/dashboard/"+path, nil))
		if w.Code != 303 || w.Header().Get("Location") != "/" {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	body := answer(a, httptest.NewRequest("GET", "/", nil)).Body.String()
	for _, user := range users {
		if !strings.Contains(body, `name="user" value="`+user+`"`) {
			t.Errorf("the start page does not offer %s", user)
		}
	}
}

func TestActivityEscapesHostileText(t *testing.T) {
	a := newApp(t)
	exec(t, a, `INSERT INTO notifications (id, user_id, level, text, context) VALUES
		('"><i>', 'alice', '"><b>', '<script>alert(1)</script>', '{"href":"javascript:alert(1)"}')`)
	body := get(t, a, "/dashboard/activity", "alice").Body.String()
	for _, bad := range []string{"<i>", "<b>", "<script>alert", "javascript:"} {
		if strings.Contains(body, bad) {
			t.Errorf("%s came through", bad)
		}
	}
	if !strings.Contains(body, "&lt;script&gt;alert(1)&lt;/script&gt;") || strings.Contains(body, "activity-empty") {
		t.Error("the item is not shown")
	}
}

func TestHref(t *testing.T) {
	tests := []struct {
		context map[string]any
		want    string
	}{
		{map[string]any{}, ""},
		{map[string]any{"job_id": "j"}, "/dashboard/jobs/j"},
		{map[string]any{"job_id": "j", "document_id": "d/e"}, "/dashboard/documents/d%2Fe"},
		{map[string]any{"job_id": "j", "href": "/here"}, "/here"},
		{map[string]any{"href": "HTTPS://example.org/"}, "HTTPS://example.org/"},
		{map[string]any{"href": "javascript:alert(1)", "job_id": "j"}, ""},
		{map[string]any{"href": "/"}, "/"},
		{map[string]any{"href": "//host/"}, ""},
		{map[string]any{"href": `/\host/`}, ""},
		{map[string]any{"href": "/\t/host/"}, ""},
		{map[string]any{"href": "https://host/\n"}, ""},
		{map[string]any{"job_id": 7}, ""},
	}
	for _, tt := range tests {
		if got := (streamed{Context: tt.context}).Href(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.context, got, tt.want)
		}
	}
}

// Nothing is loaded from elsewhere, and no script turns text into markup.
func TestAssetsStayHere(t *testing.T) {
	a := newApp(t)
	for path, kind := range map[string]string{
		"/static/htmx.js": "text/javascript; charset=utf-8", "/static/toast.js": "text/javascript; charset=utf-8",
		"/static/page.js": "text/javascript; charset=utf-8", "/static/activity.js": "text/javascript; charset=utf-8",
		"/static/style.css": "text/css; charset=utf-8", "/dashboard/old": "text/html; charset=utf-8",
	} {
		w := get(t, a, path, "alice")
		if w.Code != 200 || w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if found := regexp.MustCompile(`https?://\w|url\(|@import|innerHTML|eval\(`).FindString(w.Body.String()); found != "" {
			t.Errorf("%s contains %s", path, found)
		}
	}
}
