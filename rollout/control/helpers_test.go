package control

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/internal/redisconn"
	"sluice/internal/servertest"
	"sluice/rollout"
	"sluice/rollout/spec"
)

var begin = time.Unix(1_800_000_000, 0).UTC()

// bed is a machine with its state, for tests that go step by step.
type bed struct {
	t *testing.T
	m Machine
	s State
	w weather
}

func newBed(t *testing.T, s spec.Spec) *bed {
	b := &bed{t: t, m: For(s), w: weather{now: begin, samples: 100, value: 0.5, since: begin}}
	b.s = b.m.Start(b.w.now, rollout.Heading{Stream: rollout.Upstream})
	return b
}

// after lets time pass in looks of a second.
func (b *bed) after(d time.Duration) *bed {
	for range d / time.Second {
		b.w.now = b.w.now.Add(time.Second)
		b.s = b.m.Tick(b.s, b.w.world())
	}
	return b
}

func (b *bed) do(c Command) *bed {
	b.t.Helper()
	if err := b.try(c); err != nil {
		b.t.Fatalf("%+v: %v", c, err)
	}
	return b
}

func (b *bed) try(c Command) (err error) {
	b.s, err = b.m.Do(b.s, c, b.w.now)
	return err
}

func (b *bed) want(phase Phase, step, weight int) *bed {
	b.t.Helper()
	if b.s.Phase != phase || b.s.Step != step || b.s.Weight != weight {
		b.t.Fatalf("%s at step %d, weight %d (%s); want %s, %d, %d", b.s.Phase, b.s.Step, b.s.Weight, b.s.Reason, phase, step, weight)
	}
	return b
}

func weight(w int) spec.Step            { return spec.Step{Verb: spec.SetWeight, Weight: w} }
func stream(s rollout.Stream) spec.Step { return spec.Step{Verb: spec.SetStream, Stream: s} }
func pause(d time.Duration) spec.Step   { return spec.Step{Verb: spec.Pause, Pause: d} }
func analysis(m ...spec.Metric) spec.Step {
	return spec.Step{Verb: spec.Analyse, Metrics: m}
}

// metric passes at values up to 1.
func metric(name string, change ...func(*spec.Metric)) spec.Metric {
	m := spec.Metric{Name: name, Source: spec.Internal, Range: spec.Range{Max: &one}, Interval: 10 * time.Second, Count: 2, MinSamples: 10, OnNoData: spec.Inconclusive}
	for _, f := range change {
		f(&m)
	}
	return m
}

// replica is a runner with ears. Its world is fine unless a test says otherwise.
type replica struct {
	*Runner
	stop func()

	mu       sync.Mutex
	disabled []string
	heading  rollout.Heading
	made     []Entry
	frozen   error
	restored int
}

// newReplica looks only when it is told to.
func newReplica(name string, store Store, s spec.Spec) *replica {
	r := &replica{}
	locked := func(f func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f()
	}
	r.Runner = New(Options{
		Machine: For(s), Store: store, Me: name,
		From:  func() rollout.Heading { return rollout.Heading{Weight: 3, Stream: rollout.Upstream} },
		Steer: func(h *rollout.Heading) { locked(func() { r.heading = *h }) },
		Look: func(context.Context) (w World) {
			locked(func() { w.Disabled = r.disabled })
			w.Measure = func(spec.Metric, time.Time) Measurement { return Measurement{Value: 0.5, Samples: 100} }
			w.Legacy = func() (uint64, time.Time, error) { return 0, time.Time{}, errors.New("not counted") }
			return w
		},
		Changed:  func(_ State, made []Entry) { locked(func() { r.made = append(r.made, made...) }) },
		Frozen:   func(err error) { locked(func() { r.frozen = err }) },
		Restored: func(State) { locked(func() { r.restored++ }) },
	})
	return r
}

func startReplica(t *testing.T, name string, store Store, s spec.Spec) *replica {
	t.Helper()
	r := newReplica(name, store, s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(r.stop)
	return r
}

func (r *replica) weight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heading.Weight
}

func (r *replica) entries() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.made)
}

// openRedis returns a store on a server, as a gateway has it.
func openRedis(t *testing.T, server *servertest.Redis) (*Redis, redis.UniversalClient) {
	t.Helper()
	client, err := redisconn.Open(server.URL, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return NewRedis(client, time.Second), client
}
