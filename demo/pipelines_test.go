package demo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPipelineStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		id := order(t, a, `{"kind":"import","delay":4500}`)
		s := follow(t, a, "/api/pipelines/stream?job_id="+id, "alice")
		<-s.done
		event := func(second int, stage, detail string, sequence int) string {
			data, _ := json.Marshal(pipelineEvent{id, stage, detail, sequence})
			return fmt.Sprintf(`%d data: {"type":"pipeline.event","data":%s}`, second, data)
		}
		want := []string{
			event(0, "started", "", 1), event(1, "working", "22 %", 2), event(2, "working", "44 %", 3), "2 : heartbeat",
			event(3, "working", "66 %", 4), event(4, "working", "88 %", 5), "4 : heartbeat",
			event(4, "working", "100 %", 6), event(4, "finished", "notifications: 1", 7),
		}
		got := s.take()
		// A heartbeat and an event of the same instant may come in either order.
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got := s.Header().Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type: %s", got)
		}
	})
}

func TestPipelineStreamOfAnEndedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		id := order(t, a, `{}`)
		time.Sleep(time.Hour)
		s := follow(t, a, "/api/pipelines/stream?job_id="+id, "alice")
		<-s.done
		got := s.take()
		if len(got) != 2 || !strings.Contains(got[0], `"sequence":1`) || !strings.Contains(got[1], `"stage":"finished"`) {
			t.Errorf("%q, want all events at once and the end", got)
		}
	})
}

func TestPipelineStreamOfNoJobOfMine(t *testing.T) {
	a := newApp(t)
	id := order(t, a, `{}`)
	for target, user := range map[string]string{
		"/api/pipelines/stream?job_id=" + id:   "bob",
		"/api/pipelines/stream?job_id=unknown": "alice",
		"/api/pipelines/stream":                "alice",
	} {
		if w := get(t, a, target, user); w.Code != 404 {
			t.Errorf("%s as %s: %d %s", target, user, w.Code, w.Body)
		}
	}
}

func TestPipelineWakesEveryWaiter(t *testing.T) {
	var p pipeline
	_, _, one := p.after(0)
	_, _, two := p.after(0)
	p.emit("j", "started", "", false)
	<-one
	<-two
	events, ended, news := p.after(0)
	want := []pipelineEvent{{"j", "started", "", 1}}
	if diff := cmp.Diff(want, events); diff != "" || ended {
		t.Error(ended, diff)
	}
	select {
	case <-news:
		t.Error("woken without an event")
	default:
	}
}
