package demo

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// afterRounds lets fake time pass until n more rounds are over.
func afterRounds(n int) {
	time.Sleep(time.Duration(n) * roundInterval)
	synctest.Wait()
}

func TestStreamHeaders(t *testing.T) {
	a := newApp(t)
	server := httptest.NewServer(a)
	defer server.Close()
	r := request(t, "GET", server.URL+"/api/stream", "alice", "")
	r.RequestURI = ""
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got := map[string]string{}
	for _, name := range []string{"Content-Type", "Cache-Control", "Connection", "X-Accel-Buffering"} {
		got[name] = answer.Header.Get(name)
	}
	want := map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-cache",
		"Connection": "keep-alive", "X-Accel-Buffering": "no",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := a.Close(); err != nil { // ends the stream, else server.Close hangs
		t.Error(err)
	}
}

func TestStreamEnvelope(t *testing.T) {
	tests := []struct{ name, context, want string }{
		{"an object", `'{"job_id":"j1"}'`, `{"job_id":"j1"}`},
		{"absent", `NULL`, `{}`},
		{"JSON null", `'null'`, `{}`},
		{"no object", `'[1]'`, `{}`},
		{"no JSON", `'{'`, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t)
				exec(t, a, `INSERT INTO notifications (id, user_id, level, title, text, context, created_at)
					VALUES ('n1', 'alice', 'success', 'Ready', 'line'||char(10)||'two', `+tt.context+`, '2026-01-01 00:00:00')`)
				s := follow(t, a, "/api/stream", "alice")
				synctest.Wait()
				want := []string{`0 data: {"type":"notification.created","data":{"id":"n1","level":"success",` +
					`"text":"line\ntwo","title":"Ready","created_at":"2026-01-01 00:00:00","context":` + tt.want + `}}`}
				if diff := cmp.Diff(want, s.take()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Legacy bug: newest first, then on from the oldest of the round.
func TestStreamSendsItemsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		for i := range 3 {
			put(t, a, fmt.Sprint("n", i), i)
		}
		s := follow(t, a, "/api/stream", "alice")
		synctest.Wait()
		afterRounds(2)
		want := []string{"0 n2", "0 n1", "0 n0", "5 n2", "5 n1", "10 n2"}
		if diff := cmp.Diff(want, s.ids(t)); diff != "" {
			t.Error(diff)
		}
		afterRounds(2)
		if diff := cmp.Diff([]string{"15 : heartbeat", "20 : heartbeat"}, s.take()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStreamStartsWithTheNewest20EveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		var want []string
		for i := range 25 {
			put(t, a, fmt.Sprintf("n%02d", i), i)
			if i >= 5 {
				want = append([]string{fmt.Sprintf("0 n%02d", i)}, want...)
			}
		}
		for range 2 {
			s := follow(t, a, "/api/stream", "alice")
			synctest.Wait()
			if diff := cmp.Diff(want, s.ids(t)); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// Legacy bug: of more than 20 new items in a round the oldest are lost.
func TestStreamLosesTheOldestOfABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		put(t, a, "first", 0)
		s := follow(t, a, "/api/stream", "alice")
		synctest.Wait()
		for i := range 23 {
			put(t, a, fmt.Sprintf("n%02d", i), i+1)
		}
		afterRounds(30)
		all := strings.Join(s.take(), "\n")
		for i := range 23 {
			if sent := strings.Contains(all, fmt.Sprintf(`"n%02d"`, i)); sent != (i >= 3) {
				t.Errorf("n%02d sent: %v", i, sent)
			}
		}
	})
}

// Legacy bug: the cursor is ahead of the bytes.
func TestRoundMovesTheCursorEvenIfNothingIsSent(t *testing.T) {
	a := newApp(t)
	put(t, a, "n1", 1)
	put(t, a, "n2", 2)
	out, err := openEvents(&brokenWriter{httptest.NewRecorder()})
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := a.round(t.Context(), out, "alice", "")
	if cursor != "n1" || err == nil {
		t.Errorf("cursor %q, error %v; want n1 and an error", cursor, err)
	}
}

func TestRoundAtTheEndSaysNothing(t *testing.T) {
	a := newApp(t)
	w := httptest.NewRecorder()
	out, err := openEvents(w)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.round(ctx, out, "alice", ""); err == nil || w.Body.Len() != 0 {
		t.Errorf("error %v, sent %q; want an error and nothing", err, w.Body)
	}
}

type brokenWriter struct{ *httptest.ResponseRecorder }

func (*brokenWriter) Write([]byte) (int, error)         { return 0, fmt.Errorf("gone") }
func (b *brokenWriter) WriteString(string) (int, error) { return b.Write(nil) }

func TestStreamReportsFaultsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		exec(t, a, `ALTER TABLE notifications RENAME TO away`)
		s := follow(t, a, "/api/stream", "alice")
		synctest.Wait()
		exec(t, a, `ALTER TABLE away RENAME TO notifications`)
		afterRounds(1)
		want := []string{`0 data: {"type":"error","data":{"message":"Cannot read notifications"}}`, "5 : heartbeat"}
		if diff := cmp.Diff(want, s.take()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStreamShowsOnlyTheUsersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		put(t, a, "n1", 1)
		s := follow(t, a, "/api/stream", "bob")
		synctest.Wait()
		if diff := cmp.Diff([]string{"0 : heartbeat"}, s.take()); diff != "" {
			t.Error(diff)
		}
	})
}
