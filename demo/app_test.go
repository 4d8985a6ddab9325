package demo

import (
	"bytes"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"

	"sluice/client"
)

func TestNewRefuses(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "app.db"), nil); err == nil {
		t.Error("an empty key was taken")
	}
	if _, err := New(filepath.Join(t.TempDir(), "missing", "app.db"), testKey); err == nil {
		t.Error("a missing folder was taken")
	}
}

func TestClientScript(t *testing.T) {
	w := answer(newApp(t), httptest.NewRequest("GET", "/_sluice/client.js", nil))
	if !bytes.Equal(w.Body.Bytes(), client.Script()) || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("%d bytes of %s", w.Body.Len(), w.Header().Get("Content-Type"))
	}
	if got := w.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control: %q", got)
	}
}

func TestHealth(t *testing.T) {
	a := newApp(t)
	if w := answer(a, httptest.NewRequest("GET", "/healthz", nil)); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	a.store.close()
	if w := answer(a, httptest.NewRequest("GET", "/healthz", nil)); w.Code != 503 {
		t.Errorf("without a database: %d", w.Code)
	}
}

func TestCloseEndsStreamsAndJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		id := order(t, a, `{"delay":60000}`)
		news := follow(t, a, "/api/stream", "alice")
		pipeline := follow(t, a, "/api/pipelines/stream?job_id="+id, "alice")
		synctest.Wait()
		news.take()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		<-news.done
		<-pipeline.done
		if got := news.take(); got != nil {
			t.Errorf("the stream ended with %q", got)
		}
		if got := a.jobs.find("alice", id).Stage(); got != "stopped" {
			t.Errorf("stage %s", got)
		}
		if w := get(t, a, "/", "alice"); w.Code != 503 {
			t.Errorf("after Close: %d", w.Code)
		}
		if err := a.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}
