package demo

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

func TestJobWritesNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		id := order(t, a, `{"kind":"document","delay":60000,"count":3,"level":"info"}`)
		time.Sleep(time.Minute - time.Millisecond)
		synctest.Wait()
		if ids := poll(t, a, ""); len(ids) != 0 {
			t.Fatalf("before the delay is over: %v", ids)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()

		list, err := a.store.list(t.Context(), "alice", "", 100)
		if err != nil || len(list) != 3 {
			t.Fatalf("%d notifications, %v; want 3", len(list), err)
		}
		j := a.jobs.find("alice", id)
		for _, n := range list {
			if parsed, err := uuid.Parse(n.ID); err != nil || parsed.Version() != 4 {
				t.Errorf("id %s is no UUIDv4", n.ID)
			}
			if _, err := time.Parse(time.DateTime, n.CreatedAt); err != nil {
				t.Error(err)
			}
			if want := `{"job_id":"` + id + `","document_id":"` + j.DocumentID + `"}`; *n.Context != want {
				t.Errorf("context %s, want %s", *n.Context, want)
			}
			if *n.Level != "info" || *n.Title != "Document processed" {
				t.Errorf("%s: %s", *n.Level, *n.Title)
			}
		}
		if j.Stage() != "finished" {
			t.Errorf("stage %s", j.Stage())
		}
	})
}

func TestOnlyDocumentsHaveADocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		id := order(t, a, `{"kind":"report"}`)
		synctest.Wait()
		list, err := a.store.list(t.Context(), "alice", "", 1)
		if err != nil || len(list) != 1 || *list[0].Context != `{"job_id":"`+id+`"}` {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func TestJobThatCannotWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		exec(t, a, `DROP TABLE notifications`)
		id := order(t, a, `{}`)
		synctest.Wait()
		if got := a.jobs.find("alice", id).Stage(); got != "failed" {
			t.Errorf("stage %s, want failed", got)
		}
	})
}

func TestOrders(t *testing.T) {
	a := newApp(t)
	long := strings.Repeat("x", maxBody+1)
	tests := []struct {
		name   string
		json   string
		form   url.Values
		status int
		want   string // part of the body
	}{
		{"defaults", `{}`, url.Values{}, 202, "job_id"},
		{"largest", `{"delay":60000,"count":1000}`, url.Values{"delay": {"60000"}, "count": {"1000"}}, 202, "job_id"},
		{"delay too large", `{"delay":60001}`, url.Values{"delay": {"60001"}}, 422, `["body","delay"]`},
		{"delay negative", `{"delay":-1}`, url.Values{"delay": {"-1"}}, 422, `["body","delay"]`},
		{"count zero", `{"count":0}`, url.Values{"count": {"0"}}, 422, `["body","count"]`},
		{"count too large", `{"count":1001}`, url.Values{"count": {"1001"}}, 422, `["body","count"]`},
		{"count no number", `{"count":"x"}`, url.Values{"count": {"x"}}, 422, `["body","count"]`},
		{"level unknown", `{"level":"fatal"}`, url.Values{"level": {"fatal"}}, 422, `["body","level"]`},
		{"too long", `{"text":"` + long + `"}`, url.Values{"text": {long}}, 400, "detail"},
		{"no JSON", `{`, nil, 400, "detail"},
		{"no object", `[]`, nil, 400, "detail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(kind string, w *httptest.ResponseRecorder) {
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
					t.Errorf("%s: %d %s, want %d %s", kind, w.Code, w.Body, tt.status, tt.want)
				}
			}
			check("JSON", answer(a, request(t, "POST", "/jobs", "alice", tt.json)))
			if tt.form != nil {
				r := request(t, "POST", "/jobs", "alice", tt.form.Encode())
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				check("form", answer(a, r))
			}
		})
	}
}

func TestFormOrderIsRead(t *testing.T) {
	form := url.Values{"kind": {"import"}, "delay": {"5"}, "count": {"2"}, "level": {"error"}, "text": {"T"}}
	r := httptest.NewRequest("POST", "/jobs", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := readOrder(r)
	if want := (jobOrder{"import", 5, 2, "error", "T"}); got != want || err != nil {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
}

func TestWording(t *testing.T) {
	tests := []struct {
		order       jobOrder
		title, text string // text: how it begins
	}{
		{jobOrder{Kind: "report", Count: 1}, "Report ready", "Report ready: "},
		{jobOrder{Kind: "import", Count: 1}, "Import finished", "Import finished: "},
		{jobOrder{Kind: "import", Count: 1, Level: "error"}, "Import failed", "Import failed: "},
		{jobOrder{Kind: "else", Count: 1}, "Job finished", "Job finished: "},
		{jobOrder{Kind: "report", Count: 1, Text: "mine"}, "Report ready", "mine"},
		{jobOrder{Kind: "report", Count: 5, Text: "mine"}, "Report ready", "mine (3 of 5)"},
	}
	for _, tt := range tests {
		title, text := tt.order.wording(2)
		if title != tt.title || !strings.HasPrefix(text, tt.text) || (tt.order.Text != "" && text != tt.text) {
			t.Errorf("%+v: %q, %q; want %q, %q", tt.order, title, text, tt.title, tt.text)
		}
	}
}

func TestJobsMemoryIsBounded(t *testing.T) {
	var js jobs
	var want []string
	for i := range maxJobs + 5 {
		j := newJob("alice", jobOrder{})
		js.add(j)
		if i >= 5 {
			want = append(want, j.ID)
		}
	}
	slices.Reverse(want)
	var got []string
	for _, j := range js.of("alice", func(*job) bool { return true }) {
		got = append(got, j.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d jobs, want the newest %d, newest first", len(got), maxJobs)
	}
	if js.find("bob", want[0]) != nil {
		t.Error("bob finds a job of alice")
	}
}
