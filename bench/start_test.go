package bench

import (
	"os"
	"testing"
	"time"

	"sluice/bench/lab"
	"sluice/internal/servertest"
)

// From the start of the process until it is ready, and what it takes when nobody asks.
func TestStart(t *testing.T) {
	lab.Need(t, "redis-server", "taskset")
	const ready, idle, binary = "ready ms", "RSS MB, idle", "binary MB"
	a, server := newApp(t, 1000), servertest.StartRedis(t)
	lab.Record(t, lab.Experiment{
		Title: "Start", Method: "From the start of the process until /readyz says 200; its memory after one run's time without a request; the program as the Dockerfile builds it.",
		Columns: []string{ready, idle, binary},
		Measured: lab.Interleave(t, lab.Contender{
			Name: "Sluice", What: "with an SQLite file of 1,000 users, and Redis",
			Run: func(t testing.TB) lab.Figures {
				start := time.Now()
				s := a.serve(t, "SLUICE_REDIS_URL="+server.URL)
				f := lab.Figures{ready: time.Since(start).Seconds() * 1e3}
				time.Sleep(lab.Measuring().Run) // what is measured is that nothing happens
				f[idle] = float64(lab.RSS(t, s.PID())) / 1e6
				s.Kill()
				program, err := os.Stat(lab.Program("sluice"))
				if err != nil {
					t.Fatal(err)
				}
				f[binary] = float64(program.Size()) / 1e6
				return f
			},
		}),
		Rows: []lab.Row{
			{Work: "Start until ready", Figure: ready, Of: "Sluice", AtMost: 150},
			{Work: "Memory without requests", Figure: idle, Of: "Sluice", AtMost: 30,
				Why: "without Redis 23.7 of 28.0 MiB are pages of the program itself, which has drivers for three stores; even sluice --help peaks at 23.1"},
			{Work: "The program", Figure: binary, Of: "Sluice", AtMost: 40},
		},
	})
}
