package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// Against the real one: one number is a value, anything else is none.
func TestAskPrometheus(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "widgets{size=\"s\"} 3\nwidgets{size=\"l\"} 4\n")
	}))
	defer target.Close()
	url := servertest.StartPrometheus(t, target.Listener.Addr().String())
	servertest.Eventually(t, "the target is scraped", func() bool {
		v, _ := askPrometheus(t.Context(), url, "sum(widgets)")
		return v == 7
	})
	for query, want := range map[string]float64{`widgets{size="s"}`: 3, "scalar(sum(widgets))": 7, "42": 42} {
		if got, err := askPrometheus(t.Context(), url, query); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		"widgets": "gives 2 values, want one", "none": "gives 0 values, want one", "widgets[1m]": "gives a matrix, want one number",
		`"text"`: `unexpected value type "string"`, "sum(": "parse error", "0 / 0": "gives NaN", "1 / 0": "gives +Inf", "-1 / 0": "gives -Inf",
	} {
		if got, err := askPrometheus(t.Context(), url, query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %s", query, got, err, want)
		}
	}
}

func TestAskPrometheusThatIsNotThere(t *testing.T) {
	if _, err := askPrometheus(t.Context(), "http://127.0.0.1:1", "up"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}
