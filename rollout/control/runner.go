package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"sluice/rollout"
	"sluice/rollout/spec"
)

// Options of a Runner.
type Options struct {
	Machine Machine
	Store   Store
	// Me names this replica.
	Me string
	// From is where users are when a rollout begins.
	From spec.State
	// Steer puts a heading in force on this replica.
	Steer func(*rollout.Heading)
	// Look gives the world; its Now is set by the Runner.
	Look func(context.Context) World
	// Changed hears of each state that comes into force here, with the entries that
	// are new; mine tells that this replica made it.
	Changed func(s State, news []Entry, mine bool)
}

const (
	// every is how often a replica looks whether the state has changed, and a leader
	// at the world. A change is told by a message as well.
	every = time.Second
	// lease outlives a few looks, and is over soon when its holder has died.
	lease = 5 * time.Second
)

// Runner keeps one replica at the state that all share, and moves that state on
// when it leads.
type Runner struct {
	o Options

	mu     sync.Mutex
	state  State
	known  bool
	leads  bool
	frozen error
}

// New prepares a runner.
func New(o Options) *Runner { return &Runner{o: o} }

// Status is what a runner knows.
type Status struct {
	State State
	Known bool // false before the first look
	Leads bool
	// Frozen says why the state cannot be looked up: the last one stays in force, and
	// nothing moves.
	Frozen error
}

// Status returns what is in force here.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{r.state, r.known, r.leads, r.frozen}
}

// Run looks and acts until ctx ends. Run it once.
func (r *Runner) Run(ctx context.Context) {
	changes := r.o.Store.Changes(ctx)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-tick.C:
		}
	}
}

// look takes over what others did, and does what is to be done.
func (r *Runner) look(ctx context.Context) {
	err := r.sync(ctx)
	if err == nil {
		err = r.act(ctx)
	}
	if errors.Is(err, ErrConflict) {
		err = r.sync(ctx)
	}
	r.mu.Lock()
	r.frozen = err
	r.mu.Unlock()
}

// sync brings this replica to the shared state. A store that has lost it gets
// back the one in force here: a Redis that was emptied must not move anybody.
func (r *Runner) sync(ctx context.Context) error {
	s, ok, err := r.o.Store.Load(ctx)
	if err != nil {
		return err
	}
	now := r.Status()
	switch {
	case ok && (!now.Known || s.Version != now.State.Version):
		r.enter(s, false)
	case !ok && now.Known:
		restored := now.State.next()
		if err := r.o.Store.Save(ctx, restored); err != nil {
			return err
		}
		r.enter(restored, true)
	}
	return nil
}

// act moves the state on, if this replica leads.
func (r *Runner) act(ctx context.Context) error {
	leads, err := r.o.Store.Lead(ctx, r.o.Me, lease)
	r.mu.Lock()
	r.leads = leads && err == nil
	r.mu.Unlock()
	if err != nil || !leads {
		return err
	}
	now, before := time.Now().UTC(), r.Status()
	after := before.State
	switch {
	case !before.Known:
		after = r.o.Machine.Start(now, r.o.From)
	case before.State.Spec != r.o.Machine.Hash:
		after = r.o.Machine.Adopt(before.State, now)
	default:
		w := r.o.Look(ctx)
		w.Now = now
		after = r.o.Machine.Tick(before.State, w)
	}
	if after.Version == before.State.Version {
		return nil
	}
	return r.save(ctx, after)
}

func (r *Runner) save(ctx context.Context, s State) error {
	if err := r.o.Store.Save(ctx, s); err != nil {
		return err
	}
	r.enter(s, true)
	return nil
}

// enter puts a state in force here.
func (r *Runner) enter(s State, mine bool) {
	r.mu.Lock()
	before := r.state
	if r.known && s.Version <= before.Version && mine {
		r.mu.Unlock()
		return
	}
	r.state, r.known = s, true
	r.mu.Unlock()
	r.o.Steer(&rollout.Heading{Weight: s.Weight, Stream: s.Stream})
	r.o.Changed(s, s.NewEntries(before), mine)
}

// tries is how often a command is tried that somebody else's change came before.
const tries = 5

// Do obeys a command, on any replica. Its error is a *Refusal when the rollout is
// there but says no.
func (r *Runner) Do(ctx context.Context, c Command) (State, error) {
	for try := 1; ; try++ {
		before, ok, err := r.o.Store.Load(ctx)
		if err != nil {
			return State{}, err
		}
		if !ok {
			return State{}, refuse("no rollout has begun yet")
		}
		after, err := r.o.Machine.Do(before, c, time.Now().UTC())
		if err != nil {
			return before, err
		}
		err = r.save(ctx, after)
		if !errors.Is(err, ErrConflict) || try == tries {
			return after, err
		}
	}
}
