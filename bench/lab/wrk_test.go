package lab

import (
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

func TestSaturate(t *testing.T) {
	Need(t, "wrk")
	var ann, ben atomic.Int64
	r := serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path + " " + r.Header.Get("Cookie") {
		case "/a name=ann":
			ann.Add(1)
		case "/b name=ben":
			ben.Add(1)
		}
		_, _ = w.Write([]byte("ok"))
	})
	f := r.Saturate(t, os.Getpid())
	if ann.Load() == 0 || ann.Load()-ben.Load() > 2 || f[Rate] <= 0 || f[ServerCPU] <= 0 || f[ServerCPU] != f[TotalCPU] || f[P99] < f[P50] {
		t.Errorf("ann %d, ben %d: %v", ann.Load(), ben.Load(), f)
	}
}

// One wrong answer among many is noticed.
func TestSaturateChecksAnswers(t *testing.T) {
	Need(t, "wrk")
	for name, wrong := range map[string]http.HandlerFunc{
		"200 no":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("no")) },
		"500 ok":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = w.Write([]byte("ok")) },
		"not come 1": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			r := serving(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 100 {
					wrong(w, r)
					return
				}
				_, _ = w.Write([]byte("ok"))
			})
			out, _ := r.wrk(t, Measuring().Run, func() {})
			if _, _, err := r.parse(out); err == nil || name[0] != 'n' && !strings.Contains(err.Error(), name) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
