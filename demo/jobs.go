package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// maxJobs is how many jobs the pages remember; older ones are forgotten.
const maxJobs = 200

// job is a background task that ends in notifications. Only its pipeline
// changes after it was made.
type job struct {
	ID         string
	DocumentID string // for kind document only
	User       string
	Started    time.Time
	order      jobOrder
	pipeline   pipeline
}

// Kind, Stage and Detail are for the pages.
func (j *job) Kind() string   { return j.order.Kind }
func (j *job) Stage() string  { return j.pipeline.latest().Stage }
func (j *job) Detail() string { return j.pipeline.latest().Detail }

// jobs is the memory of the jobs of this run, newest first.
type jobs struct {
	mu  sync.Mutex
	all []*job
}

func (js *jobs) add(j *job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.all = slices.Insert(js.all, 0, j)
	js.all = slices.Delete(js.all, min(len(js.all), maxJobs), len(js.all))
}

// of returns the user's jobs for which keep holds, newest first.
func (js *jobs) of(user string, keep func(*job) bool) []*job {
	js.mu.Lock()
	defer js.mu.Unlock()
	var found []*job
	for _, j := range js.all {
		if j.User == user && keep(j) {
			found = append(found, j)
		}
	}
	return found
}

// find returns a job of the user, nil when there is none.
func (js *jobs) find(user, id string) *job {
	return first(js.of(user, func(j *job) bool { return j.ID == id }))
}

// findDocument returns the job that made a document of the user, or nil.
func (js *jobs) findDocument(user, id string) *job {
	return first(js.of(user, func(j *job) bool { return j.DocumentID != "" && j.DocumentID == id }))
}

func first(list []*job) *job {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func newJob(user string, order jobOrder) *job {
	j := &job{ID: uuid.NewString(), User: user, Started: time.Now().UTC(), order: order}
	if order.Kind == "document" {
		j.DocumentID = uuid.NewString()
	}
	return j
}

// run does the job until it is done, fails or ctx ends.
func (j *job) run(ctx context.Context, s *store) {
	stage, detail := "finished", fmt.Sprintf("notifications: %d", j.order.Count)
	if err := j.work(ctx); err != nil {
		stage, detail = "stopped", "the app was closed"
	} else if err := j.notify(ctx, s); err != nil {
		stage, detail = "failed", "the notifications could not be written"
	}
	j.pipeline.emit(j.ID, stage, detail, true)
}

// work passes the time and tells about every second of it.
func (j *job) work(ctx context.Context) error {
	total := time.Duration(j.order.Delay) * time.Millisecond
	j.pipeline.emit(j.ID, "started", "", false)
	for done := time.Duration(0); done < total; {
		step := min(total-done, time.Second)
		if err := sleep(ctx, step); err != nil {
			return err
		}
		done += step
		j.pipeline.emit(j.ID, "working", fmt.Sprintf("%d %%", done*100/total), false)
	}
	return nil
}

// notify writes the job's notifications, each in a transaction of its own as
// the legacy application's jobs do.
func (j *job) notify(ctx context.Context, s *store) error {
	links, err := json.Marshal(struct {
		JobID      string `json:"job_id"`
		DocumentID string `json:"document_id,omitempty"`
	}{j.ID, j.DocumentID})
	if err != nil {
		return err
	}
	about := string(links)
	for i := range j.order.Count {
		title, text := j.order.wording(i)
		n := notification{UserID: j.User, Level: &j.order.Level, Title: &title, Text: &text, Context: &about}
		if err := s.add(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// outcomes are the words for each kind of job: what it is, how it ends, what
// it counts.
var outcomes = map[string][3]string{
	"report":   {"Report", "ready", "pages"},
	"import":   {"Import", "finished", "rows"},
	"document": {"Document", "processed", "pages"},
}

// wording is the title and text of notification i, counted from 0. A text that
// was asked for is numbered when there are several.
func (o jobOrder) wording(i int) (title, text string) {
	words, ok := outcomes[o.Kind]
	if !ok {
		words = [3]string{"Job", "finished", "items"}
	}
	title = words[0] + " " + words[1]
	text = fmt.Sprintf("%s: %d %s", title, 1+rand.IntN(200), words[2])
	if o.Level == "error" {
		title = words[0] + " failed"
		text = title + ": its input could not be read"
	}
	if o.Text != "" {
		text = o.Text
		if o.Count > 1 {
			text = fmt.Sprintf("%s (%d of %d)", o.Text, i+1, o.Count)
		}
	}
	return title, text
}
