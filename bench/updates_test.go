package bench

import (
	"context"
	"slices"
	"testing"
	"time"

	"sluice/bench/lab"
	"sluice/internal/servertest"
)

const (
	updatesPerSecond = 1000

	updateRate = "updates/s"
	readRate   = "reads/s"
)

// Polls of a gateway while its users' data changes, against those of the same gateway a few
// seconds earlier and later. A new row is one that has expired already: what was known of its
// user is forgotten and read again, and every poll is still empty. Each turn has users of its
// own, since such rows pile up behind their places.
func TestUpdates(t *testing.T) {
	lab.Need(t, "wrk", "redis-server", "taskset")
	users, turns := lab.Pick(1000, 1000, 20), lab.Turns*lab.Measuring().Repeats
	server, own, other := servertest.StartRedis(t), newApp(t, users*turns), newApp(t, users)
	s := own.serve(t, "SLUICE_REDIS_URL="+server.URL)
	all := polls(t, s, own.users)

	// during is a turn while something goes on that first begins, and the function it returns ends.
	during := func(name, what string, first func(t testing.TB, turn int) (stop func() float64)) lab.Contender {
		turn := -1
		return lab.Contender{Name: name, What: what, Run: func(t testing.TB) lab.Figures {
			turn++
			stop := first(t, turn)
			r := &lab.Requests{Base: s.url, Body: emptyPoll, Each: all.Each[turn*users : (turn+1)*users]}
			r.Once(t) // what the turns before cost is no part of this one
			before, since := s.counter(t, sourceReads), time.Now()
			f := r.Saturate(t, s.PID(), server.PID())
			f[readRate] = (s.counter(t, sourceReads) - before) / time.Since(since).Seconds()
			f[updateRate] = stop()
			return f
		}}
	}
	const still, beside, updated = "Sluice, warm", "Sluice, warm, beside a writer", "Sluice, 1,000 updates/s"
	measured := lab.InterleaveTimes(t, lab.Turns,
		during(still, "nothing changes", func(testing.TB, int) func() float64 { return func() float64 { return 0 } }),
		during(beside, "1,000 rows a second are added to a file that is none of its business", func(t testing.TB, _ int) func() float64 {
			return other.update(t, 0, users)
		}),
		during(updated, "they are added for the users who poll, at random; as many were for others in the half minute before", func(t testing.TB, turn int) func() float64 {
			own.seenHalfMinute(t, s)
			return own.update(t, turn*users, users)
		}),
	)
	lab.Record(t, lab.Experiment{
		Title: "Updates", Method: "One gateway, in three states that take turns: wrk, 64 connections, 1,000 users in turn, others in each turn. Rows are added in a transaction of their own each, by a process on the load's core.",
		Columns: []string{lab.Rate, lab.P50, lab.P99, lab.ServerCPU, lab.TotalCPU, lab.LoadBusy, updateRate, readRate}, Measured: measured,
		Rows: []lab.Row{
			{Work: "1,000 updates/s", Figure: lab.Rate, Of: updated, Against: still, AtLeast: 0.9,
				Why: "what the next row says, and what is not Sluice's: who adds the rows shares a core with the load"},
			{Work: "1,000 updates/s, without what the writer takes", Figure: lab.Rate, Of: updated, Against: beside, AtLeast: 0.9,
				Why: "each change is one read of the database by the next poll of its user, told to Redis, and a part of the look of the tail that finds it"},
		},
	})
	// Several changes of a user between two of their polls are one read.
	for _, m := range measured {
		if reads := slices.Min(m.Values[readRate]); m.Name == updated && reads < updatesPerSecond/2 && !lab.Smoke() { // in which there may be no look
			t.Errorf("%s: %.0f reads a second", m.Name, reads)
		}
	}
}

// sourceReads is the metric of all reads of the database.
const sourceReads = `sluice_source_requests_total{outcome="ok",source="sqlite"}`

// seenHalfMinute adds the rows of a half minute of updates, for users who do not poll, and
// waits until the gateway's tail has seen them.
func (a *app) seenHalfMinute(t testing.TB, s node) {
	t.Helper()
	a.must(t, `WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i + 1 < $1)
		INSERT INTO notifications(id, user_id, level, title, text, created_at)
		SELECT lower(hex(randomblob(16))), 'other-' || i, 'info', 'T', 'T', datetime('now', '-' || (i / $2) || ' seconds') FROM g`,
		lab.Pick(30, 30, 1)*updatesPerSecond, updatesPerSecond)
	begun := time.Now()
	servertest.Eventually(t, "the tail has seen the rows of the half minute before", func() bool {
		return s.counter(t, "sluice_feed_lag_seconds") < time.Since(begun).Seconds()
	})
}

// update adds rows for users from the first one on, until it is stopped; that tells how
// many a second there were.
func (a *app) update(t testing.TB, first, users int) (stop func() float64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	insert, err := a.db.PrepareContext(ctx, `INSERT INTO notifications(id, user_id, level, title, text, created_at, expires_at)
		VALUES (lower(hex(randomblob(16))), 'user-' || ($1 + abs(random() % $2)), 'info', 'T', 'T', datetime('now'), '2000-01-01 00:00:00')`)
	if err != nil {
		t.Fatal(err)
	}
	start, n, ended := time.Now(), 0, make(chan error, 1)
	go func() {
		defer insert.Close()
		for ; ctx.Err() == nil; n++ {
			time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / updatesPerSecond)))
			if _, err := insert.Exec(first, users); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	return func() float64 {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return float64(n) / time.Since(start).Seconds()
	}
}
