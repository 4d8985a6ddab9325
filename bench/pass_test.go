package bench

import (
	"testing"

	"sluice/bench/lab"
)

// What is the app's own passes through.
func TestPassThrough(t *testing.T) {
	lab.Need(t, "wrk", "nginx", "taskset")
	a := newApp(t, lab.Pick(1000, 1000, 20))
	backend := peer(t, lab.LoadCore, "nethttp")
	requests := lab.Requests{Body: emptyPoll}
	for _, each := range polls(t, a.serve(t), a.users).Each {
		requests.Each = append(requests.Each, lab.Request{Target: "/dashboard?tab=all", Cookie: each.Cookie})
	}
	contender := func(name, what string, s node) lab.Contender {
		r := of(requests, s)
		return lab.Contender{Name: name, What: what, Run: func(t testing.TB) lab.Figures { return r.Saturate(t, s.PID(), backend.PID()) }}
	}
	lab.Record(t, lab.Experiment{
		Title: "Pass-through", Method: "wrk, 64 connections, to a bare net/http backend that answers with few bytes: the hardest case, since only the proxy works.",
		Columns: []string{lab.Rate, lab.P50, lab.P99, lab.ServerCPU, lab.TotalCPU},
		Measured: lab.InterleaveTimes(t, lab.Turns,
			contender("ReverseProxy", "httputil's, bare, with 256 kept connections and a pool of buffers", peer(t, lab.ServerCore, "-app", backend.url, "proxy")),
			contender("Sluice", "as it comes", a.serve(t, "SLUICE_UPSTREAM_URL="+backend.url)),
			contender("nginx", "one worker, 64 kept connections", nginx(t, backend)),
		),
		Rows: []lab.Row{{Work: "Pass-through", Figure: lab.Rate, Of: "Sluice", Against: "ReverseProxy", AtLeast: 0.95,
			Why: "a log line for each request, the record below it, a limit for each write, and the look for where requests end: each one or two percent"}},
	})
}
