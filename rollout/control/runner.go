package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"sluice/rollout"
)

// Options of a Runner. All of them are needed.
type Options struct {
	Machine Machine
	Store   Store
	// Me names this replica.
	Me string
	// From is where users are when a rollout begins.
	From func() rollout.Heading
	// Steer puts a heading in force on this replica.
	Steer func(*rollout.Heading)
	// Look gives the world; its Now is set by the Runner. Commands wait for it.
	Look func(context.Context) World
	// Changed hears of each state that comes into force here. The entries are those
	// of changes that this replica made: each is told on one replica only.
	Changed func(s State, made []Entry)
	// Frozen hears why the state cannot be looked up any more, and nil when it can.
	Frozen func(error)
	// Restored hears that the store had lost the state and got it back from here.
	Restored func(State)
}

const (
	// every is how often a replica looks whether the state has changed, and a leader
	// at the world. A change is told by a message as well.
	every = time.Second
	// lease outlives a few looks, and is over soon when its holder has died.
	lease = 5 * time.Second
)

// Runner keeps one replica at the state that all share, and moves that state on
// while this replica leads.
//
// A store that is lost freezes all: the last state stays in force. A store that
// was emptied, or has gone back to an older state, gets the newest one back from
// a replica: nobody is moved by a cache that forgets. One that has gone on from before an
// abort is aborted again: whoever took users back was told that they are. A replica that starts while the
// store is lost can assume the last state that it knew.
type Runner struct {
	o    Options
	turn sync.Mutex // is held by the one who looks at the store or changes it
	// tried was given to the store, which has not answered: it may have taken it.
	tried State
	// assumed is what is in force here, until the store has been asked.
	assumed bool

	mu     sync.Mutex
	status Status
}

// New prepares a runner.
func New(o Options) *Runner { return &Runner{o: o} }

// Status is what a runner knows.
type Status struct {
	State State
	Known bool // false before the first look that succeeds: then the flag file alone is in force
	Leads bool
	// Frozen says why the state cannot be looked up: the last one stays in force, and
	// nothing moves.
	Frozen error
}

// Status returns what is in force here.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *Runner) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// Run looks and acts until ctx ends, and then leaves the lease to others. Run it
// once.
func (r *Runner) Run(ctx context.Context) {
	changes := r.o.Store.Changes(ctx)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			r.leave(context.WithoutCancel(ctx))
			return
		case <-changes:
		case <-tick.C:
		}
	}
}

// Join puts the shared state in force here, if there is one, before anybody is
// served.
func (r *Runner) Join(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	return r.sync(ctx)
}

// Assume puts in force what this replica was told before it stopped, when Join has
// failed: until the store can be asked, which gets it only if it has nothing.
func (r *Runner) Assume(s State) {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.enter(s, nil)
	r.assumed = true
}

// leave makes the lease end now, if it is ours. If that fails, it ends by itself.
func (r *Runner) leave(ctx context.Context) {
	if r.Status().Leads {
		_, _ = r.o.Store.Lead(ctx, r.o.Me, time.Millisecond)
	}
}

// look takes over what others did, and does what is to be done.
func (r *Runner) look(ctx context.Context) {
	r.turn.Lock()
	defer r.turn.Unlock()
	err := r.sync(ctx)
	if err == nil {
		err = r.act(ctx)
	}
	if errors.Is(err, ErrConflict) {
		err = nil // somebody else was first; their message is on its way
	}
	if ctx.Err() != nil {
		return
	}
	was := r.Status().Frozen
	r.update(func(s *Status) { s.Frozen = err })
	if (was == nil) != (err == nil) {
		r.o.Frozen(err)
	}
}

// sync brings this replica and the store to the newer state of both.
func (r *Runner) sync(ctx context.Context) error {
	stored, ok, err := r.o.Store.Load(ctx)
	if err != nil {
		r.update(func(s *Status) { s.Leads = false })
		return err
	}
	here := r.Status()
	switch {
	case ok && (!here.Known || r.assumed || stored.Version > here.State.Version || stored.rivals(here.State)):
		if abort, lost := here.State.abortUnknownTo(stored); lost && !r.assumed {
			return r.save(ctx, r.o.Machine.abortAgain(stored, time.Now().UTC(), abort))
		}
		var made []Entry
		if stored.Version == r.tried.Version && !stored.rivals(r.tried) {
			made = stored.EntriesSince(stored.Version - 1)
		}
		r.enter(stored, made)
	case here.Known && (!ok || stored.Version < here.State.Version):
		if err := r.o.Store.Restore(ctx, here.State); err != nil {
			return err
		}
		r.o.Restored(here.State)
	}
	return nil
}

// rivals says whether two states of one version are not the same: one was lost in
// a fail-over of the store.
func (s State) rivals(o State) bool {
	return s.Version == o.Version &&
		(s.Phase != o.Phase || s.Step != o.Step || s.Weight != o.Weight || s.Stream != o.Stream || !s.Since.Equal(o.Since))
}

// act moves the state on, if this replica leads.
func (r *Runner) act(ctx context.Context) error {
	leads, err := r.o.Store.Lead(ctx, r.o.Me, lease)
	leads = leads && err == nil
	r.update(func(s *Status) { s.Leads = leads })
	if !leads {
		return err
	}
	here, now := r.Status(), time.Now().UTC()
	after := here.State
	switch {
	case !here.Known:
		after = r.o.Machine.Start(now, r.o.From())
	case here.State.Spec != r.o.Machine.Hash:
		after = r.o.Machine.Adopt(here.State, now)
	default:
		w := r.o.Look(ctx)
		w.Now = now
		after = r.o.Machine.Tick(here.State, w)
	}
	if after.Version == here.State.Version {
		return nil
	}
	return r.save(ctx, after)
}

// save stores what this replica has made of the state, and puts it in force.
func (r *Runner) save(ctx context.Context, s State) error {
	r.tried = s
	if err := r.o.Store.Save(ctx, s); err != nil {
		return err
	}
	r.enter(s, s.EntriesSince(s.Version-1))
	return nil
}

// enter puts a state in force here.
func (r *Runner) enter(s State, made []Entry) {
	r.assumed = false
	r.o.Steer(&rollout.Heading{Weight: s.Weight, Stream: s.Stream})
	r.update(func(now *Status) { now.State, now.Known = s, true })
	r.o.Changed(s, made)
}

// tries is how often a command is tried that somebody else's change came before.
const tries = 5

// Do obeys a command, on any replica. Its error is a *Refusal when the rollout is
// there but says no.
func (r *Runner) Do(ctx context.Context, c Command) (State, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	for try := 1; ; try++ {
		after, err := r.obey(ctx, c)
		if !errors.Is(err, ErrConflict) || try == tries {
			return after, err
		}
	}
}

func (r *Runner) obey(ctx context.Context, c Command) (State, error) {
	if err := r.sync(ctx); err != nil {
		return State{}, err
	}
	here := r.Status()
	if !here.Known {
		return State{}, refuse("no rollout has begun yet")
	}
	after, err := r.o.Machine.Do(here.State, c, time.Now().UTC())
	if err != nil {
		return here.State, err
	}
	return after, r.save(ctx, after)
}
