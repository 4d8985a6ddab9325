package demo

import (
	"net/http"
	"sync"
	"time"
)

const pipelineHeartbeat = 2 * time.Second

// pipelineEvent is one step of a job.
type pipelineEvent struct {
	JobID    string `json:"job_id"`
	Stage    string `json:"stage"` // started, working, then one of finished, failed, stopped
	Detail   string `json:"detail,omitempty"`
	Sequence int    `json:"sequence"` // from 1, without gaps
}

// pipeline is what a job has done so far. Any number of streams may follow it.
type pipeline struct {
	mu     sync.Mutex
	events []pipelineEvent
	ended  bool
	news   chan struct{} // closed at the next event; nil while nobody waits
}

// emit adds an event; last says that it is the job's last.
func (p *pipeline) emit(job, stage, detail string, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, pipelineEvent{job, stage, detail, len(p.events) + 1})
	p.ended = last
	if p.news != nil {
		close(p.news)
		p.news = nil
	}
}

// after returns the events after the first n, whether the last of them ends
// the job, and a channel that is closed at the next event.
func (p *pipeline) after(n int) (events []pipelineEvent, ended bool, news <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.news == nil {
		p.news = make(chan struct{})
	}
	return p.events[n:len(p.events):len(p.events)], p.ended, p.news
}

// latest is the newest event, the zero event before the first.
func (p *pipeline) latest() (e pipelineEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.events); n > 0 {
		e = p.events[n-1]
	}
	return e
}

// pipelineStream answers GET /api/pipelines/stream?job_id=: all events of one
// of the user's jobs from its first on. It ends when the job has ended.
func (a *App) pipelineStream(w http.ResponseWriter, r *http.Request, user string) {
	job := a.jobs.find(user, r.URL.Query().Get("job_id"))
	if job == nil {
		writeDetail(w, http.StatusNotFound, "Job not found")
		return
	}
	out, err := openEvents(w)
	if err != nil {
		return
	}
	heartbeat := time.NewTicker(pipelineHeartbeat)
	defer heartbeat.Stop()
	for sent := 0; ; {
		events, ended, news := job.pipeline.after(sent)
		for _, e := range events {
			if err := out.send("pipeline.event", e); err != nil {
				return
			}
		}
		sent += len(events)
		if ended {
			return
		}
		select {
		case <-news:
		case <-heartbeat.C:
			err = out.heartbeat()
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}
