package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// prometheus is a real one, and when it began to be of interest.
type prometheus struct {
	t     *testing.T
	url   string
	start time.Time
}

// get asks its HTTP API.
func (p prometheus) get(path string, query url.Values, into any) {
	p.t.Helper()
	resp, err := http.Get(p.url + path + "?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d %s %v", query.Get("query"), resp.StatusCode, body, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		p.t.Fatal(err)
	}
}

// value is the only number that a query gives now; NaN when it gives none.
func (p prometheus) value(format string, args ...any) float64 {
	p.t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	query := fmt.Sprintf(format, args...)
	p.get("/api/v1/query", url.Values{"query": {query}}, &answer)
	switch len(answer.Data.Result) {
	case 0:
		return math.NaN()
	case 1:
		v, _ := strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
		return v
	}
	p.t.Fatalf("%s gives %d values", query, len(answer.Data.Result))
	return 0
}

// numbers counts what a query gave from the start until now, second by second: only
// what can be drawn.
func (p prometheus) numbers(query string) (n int) {
	p.t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Values [][2]any } }
	}
	p.get("/api/v1/query_range", url.Values{
		"query": {query}, "step": {"1"}, "start": {stamp(p.start)}, "end": {stamp(time.Now())},
	}, &answer)
	for _, series := range answer.Data.Result {
		for _, sample := range series.Values {
			if v, err := strconv.ParseFloat(sample[1].(string), 64); err == nil && !math.IsNaN(v) {
				n++
			}
		}
	}
	return n
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
