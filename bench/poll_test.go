package bench

import (
	"testing"

	"sluice/bench/lab"
)

// A warm empty poll is answered in the process.
func TestPoll(t *testing.T) {
	lab.Need(t, "wrk", "taskset")
	a := newApp(t, lab.Pick(1000, 20))
	gateway := a.serve(t)
	requests := polls(t, gateway, a.users)
	contender := func(name, what string, s server) lab.Contender {
		r := of(requests, s)
		return lab.Contender{Name: name, What: what, Run: func(t testing.TB) lab.Figures { return r.Saturate(t, s.PID()) }}
	}
	measured := lab.Interleave(t,
		contender("net/http", "a bare handler", peer(t, lab.ServerCore, pollPath, "nethttp")),
		contender("gin", "a bare route", peer(t, lab.ServerCore, pollPath, "gin")),
		contender("Sluice", "as it comes, with auth (HS256), metrics, its log in a file, and the feed of the SQLite file", gateway),
	)
	lab.Record(t, lab.Experiment{
		Title: "Empty poll", Method: "wrk, 64 connections, 1,000 users in turn.",
		Columns: []string{lab.Rate, lab.P50, lab.P99, lab.ServerCPU, lab.TotalCPU, lab.LoadBusy}, Measured: measured,
		Rows: []lab.Row{{Work: "Warm empty poll", Figure: lab.Rate, Of: "Sluice", Against: "gin", AtLeast: 0.85}},
	})
}
