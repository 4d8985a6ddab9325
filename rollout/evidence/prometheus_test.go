package evidence

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/internal/servertest"
	"sluice/rollout/control"
	"sluice/rollout/spec"
)

// asked measures until there is an answer.
func asked(t *testing.T, p *Prometheus, address, query string) (found control.Measurement) {
	t.Helper()
	servertest.Eventually(t, "an answer to "+query, func() bool {
		found = p.Measure(spec.Metric{Source: spec.Prometheus, Address: address, Query: query})
		return !errors.Is(found.Err, control.ErrLater)
	})
	return found
}

// Against the real one: one number is a value, anything else is no data.
func TestPrometheus(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "widgets{size=\"s\"} 3\nwidgets{size=\"l\"} 4\n")
	}))
	defer target.Close()
	var p Prometheus
	url := servertest.StartPrometheus(t, target.Listener.Addr().String())
	servertest.Eventually(t, "the target is scraped", func() bool { return asked(t, &p, url, "sum(widgets)").Value == 7 })
	for query, want := range map[string]float64{"sum(widgets)": 7, `widgets{size="s"}`: 3, "scalar(sum(widgets))": 7, "42": 42} {
		if got := asked(t, &p, url, query); got.Err != nil || got.Value != want {
			t.Errorf("%s: %+v, want %v", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"widgets": "gives 2 values, want one", "none": "gives 0 values, want one", "widgets[1m]": "gives a matrix, want one number",
		`"text"`: `unexpected value type "string"`, "sum(": "parse error", "0 / 0": "gives NaN",
	} {
		if got := asked(t, &p, url, query); got.Err == nil || !strings.Contains(got.Err.Error(), want) {
			t.Errorf("%s: %+v, want %s", query, got, want)
		}
	}
}

func TestPrometheusIsNotThere(t *testing.T) {
	var p Prometheus
	if got := asked(t, &p, "http://127.0.0.1:1", "up"); got.Err == nil || !strings.Contains(got.Err.Error(), "connection refused") {
		t.Errorf("%+v", got)
	}
	if got := asked(t, &p, "", "up"); got.Err == nil {
		t.Errorf("%+v", got)
	}
}

// A slow Prometheus keeps nobody waiting, and is asked once at a time.
func TestPrometheusIsSlow(t *testing.T) {
	requests, answer := make(chan struct{}, 10), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests <- struct{}{}
		<-answer
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[0,"5"]}}`)
	}))
	defer slow.Close()
	var p Prometheus
	m := spec.Metric{Source: spec.Prometheus, Address: slow.URL, Query: "up"}
	for range 5 {
		if got := p.Measure(m); !errors.Is(got.Err, control.ErrLater) {
			t.Fatalf("%+v", got)
		}
	}
	<-requests
	close(answer)
	if got := asked(t, &p, slow.URL, "up"); got.Value != 5 || len(requests) != 0 {
		t.Errorf("%+v, asked %d times more", got, len(requests))
	}
}
