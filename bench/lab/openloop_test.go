package lab

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// serving is a server, and requests that it should answer with "ok".
func serving(t *testing.T, h http.HandlerFunc) *Requests {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &Requests{Base: s.URL, Body: "ok", Each: []Request{{"/a", "name=ann"}, {"/b", "name=ben"}}}
}

func evenly(n int, gap time.Duration) (due []time.Duration) {
	for i := range n {
		due = append(due, time.Duration(i)*gap)
	}
	return due
}

func TestArrivals(t *testing.T) {
	due := arrivals(4000, 4*time.Second)
	if len(due) < 15_500 || len(due) > 16_500 || !slices.IsSorted(due) || due[len(due)-1] >= 4*time.Second {
		t.Errorf("%d arrivals in 4 s at 4,000/s, sorted: %v, last %s", len(due), slices.IsSorted(due), due[len(due)-1])
	}
	if !slices.Equal(due, arrivals(4000, 4*time.Second)) {
		t.Error("other contenders would have other crowds")
	}
}

// Each request is sent once, to its turn's target and with its cookie.
func TestOpenLoopSends(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	r := serving(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path+" "+r.Header.Get("Cookie")]++
		mu.Unlock()
		_, _ = w.Write([]byte("ok"))
	})
	took, err := r.sendAt(evenly(100, time.Millisecond), 8)
	mu.Lock()
	defer mu.Unlock()
	if err != nil || len(took) != 100 || seen["/a name=ann"] != 50 || seen["/b name=ben"] != 50 {
		t.Errorf("%d answers, %v, %v", len(took), seen, err)
	}
}

// While a server stands still, everybody waits who comes in that time: not only those
// who have a connection.
func TestOpenLoopOmitsNobody(t *testing.T) {
	const stall = 300 * time.Millisecond
	var once sync.Once
	var mu sync.Mutex
	r := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		once.Do(func() { time.Sleep(stall) })
		_, _ = w.Write([]byte("ok"))
	})
	took, err := r.sendAt(evenly(300, time.Millisecond), 4)
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for _, d := range took {
		if d > stall/3 {
			late++
		}
	}
	if late < 190 { // who came in the first 200 ms waited at least 100
		t.Errorf("%d of 300 requests were late; a closed loop over 4 connections sees 4", late)
	}
}

func TestOpenLoopChecksAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429); _, _ = w.Write([]byte("ok")) }, "a wrong answer: 429 ok"},
		"body":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("no")) }, "a wrong answer: 200 no"},
		"none":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection ended"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := serving(t, test.answer).sendAt(evenly(3, 0), 1); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// An answer that comes in pieces is one answer.
func TestOpenLoopWaitsForTheWhole(t *testing.T) {
	r := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		for _, piece := range []string{"o", "k"} {
			_, _ = w.Write([]byte(piece))
			_ = http.NewResponseController(w).Flush()
		}
	})
	if took, err := r.sendAt(evenly(50, 0), 4); err != nil || len(took) != 50 {
		t.Errorf("%d answers, %v", len(took), err)
	}
}
