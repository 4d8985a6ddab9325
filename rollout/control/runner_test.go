package control

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/rollout"
	"sluice/rollout/spec"
)

// waits is a rollout that does nothing by itself behind weight 10.
var waits = spec.Spec{Steps: []spec.Step{weight(10), pause(0), weight(50), pause(0), weight(100), pause(0)}}

func serves(t *testing.T, r *replica, weight int) {
	t.Helper()
	servertest.Eventually(t, "the weight is served", func() bool { return r.weight() == weight })
}

// pair is two replicas on one Redis, of which one leads.
func pair(t *testing.T) (server *servertest.Redis, leader, other *replica) {
	t.Helper()
	server = servertest.StartRedis(t)
	for _, r := range []**replica{&leader, &other} {
		store, _ := openRedis(t, server)
		*r = startReplica(t, map[bool]string{true: "first", false: "second"}[r == &leader], store, waits)
		serves(t, *r, 10)
	}
	if !leader.Status().Leads || other.Status().Leads {
		t.Fatalf("leaders: %v, %v", leader.Status().Leads, other.Status().Leads)
	}
	return server, leader, other
}

// One acts, all serve; a command to any of them is served by all within a second.
func TestReplicas(t *testing.T) {
	_, leader, other := pair(t)
	if got := changes(leader.entries()); !slices.Equal(got, []string{"phase", "weight", "step"}) || len(other.entries()) != 0 {
		t.Errorf("the leader made %v, the other %v", got, other.entries())
	}
	for _, r := range []*replica{other, leader} {
		before := leader.weight()
		start := time.Now()
		if _, err := r.Do(t.Context(), Command{Verb: Promote, Actor: "ann"}); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*replica{leader, other} {
			servertest.Within(t, 2*time.Second, "all serve the next step", func() bool { return r.weight() > before })
		}
		t.Logf("all serve it after %s", time.Since(start))
	}
	start := time.Now()
	if _, err := other.Do(t.Context(), Command{Verb: Abort}); err != nil {
		t.Fatal(err)
	}
	servertest.Within(t, time.Second, "the leader serves it", func() bool { return leader.weight() == 0 })
	t.Logf("an abort is served by all after %s", time.Since(start))
}

// Nobody is told, and all serve it within about a second all the same.
func TestMessagesAreLost(t *testing.T) {
	server := servertest.StartRedis(t)
	first, _ := openRedis(t, server)
	second, _ := openRedis(t, server)
	leader := startReplica(t, "first", deaf{first}, waits)
	serves(t, leader, 10)
	other := startReplica(t, "second", deaf{second}, waits)
	serves(t, other, 10)
	if _, err := leader.Do(t.Context(), Command{Verb: Abort}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	serves(t, other, 0)
	if took := time.Since(start); took > 2*every {
		t.Errorf("it took %s", took)
	}
}

// deaf is a store that hears of nothing.
type deaf struct{ Store }

func (deaf) Changes(context.Context) <-chan struct{} { return nil }

// A leader that leaves is followed at once; one that dies, when its lease is over.
func TestLeadersAreFollowed(t *testing.T) {
	_, leader, other := pair(t)
	start := time.Now()
	leader.stop()
	servertest.Eventually(t, "the other leads", func() bool { return other.Status().Leads })
	if took := time.Since(start); took > lease-every {
		t.Errorf("it took %s", took)
	}
	if _, err := other.Do(t.Context(), Command{Verb: Promote}); err != nil {
		t.Fatal(err)
	}
	serves(t, other, 50)
}

func TestALeaderDies(t *testing.T) {
	server := servertest.StartRedis(t)
	store, _ := openRedis(t, server)
	dead := newReplica("dead", store, waits)
	dead.look(t.Context()) // it leads, begins the rollout, and is never heard of again
	if !dead.Status().Leads {
		t.Fatal("nobody leads")
	}
	own, _ := openRedis(t, server)
	start := time.Now()
	next := startReplica(t, "next", own, waits)
	serves(t, next, 10)
	if took := time.Since(start); took > lease+3*every {
		t.Errorf("it took %s", took)
	}
}

// A Redis that is down or hangs moves nobody, and the status says so.
func TestRedisIsLost(t *testing.T) {
	server, leader, other := pair(t)
	for _, outage := range []struct{ begin, end func() }{
		{server.Kill, func() { server.Start(t) }}, {server.Freeze, server.Thaw},
	} {
		outage.begin()
		for _, r := range []*replica{leader, other} {
			servertest.Eventually(t, "it says that it is frozen", func() bool { return r.Status().Frozen != nil })
			if s := r.Status(); r.weight() != 10 || s.Leads || s.State.Weight != 10 || !strings.Contains(s.Frozen.Error(), "in Redis") {
				t.Errorf("weight %d, %+v", r.weight(), s)
			}
			if _, err := r.Do(t.Context(), Command{Verb: Promote}); err == nil || errors.As(err, new(*Refusal)) {
				t.Errorf("a command without Redis: %v", err)
			}
		}
		outage.end()
		for _, r := range []*replica{leader, other} {
			servertest.Eventually(t, "it goes on", func() bool { return r.Status().Frozen == nil })
		}
	}
	if _, err := other.Do(t.Context(), Command{Verb: Promote}); err != nil {
		t.Fatal(err)
	}
	serves(t, leader, 50)
}

// A Redis that was emptied, or that went back to an older state when it failed
// over, gets the newest state back.
func TestRedisForgets(t *testing.T) {
	server, leader, other := pair(t)
	_, client := openRedis(t, server)
	old := client.HGetAll(t.Context(), stateKey).Val()
	if _, err := leader.Do(t.Context(), Command{Verb: Abort}); err != nil {
		t.Fatal(err)
	}
	serves(t, other, 0)
	version := leader.Status().State.Version
	for name, forget := range map[string]func() error{
		"all":   func() error { return client.FlushAll(t.Context()).Err() },
		"a bit": func() error { return client.HSet(t.Context(), stateKey, old).Err() },
	} {
		if err := forget(); err != nil {
			t.Fatal(err)
		}
		servertest.Eventually(t, name+": it is back", func() bool {
			return client.HGet(t.Context(), stateKey, "version").Val() >= "2" && client.HGet(t.Context(), stateKey, "version").Val() != old["version"]
		})
		for _, r := range []*replica{leader, other} {
			servertest.Eventually(t, name+": it goes on", func() bool { return r.Status().Frozen == nil })
			if s := r.Status().State; r.weight() != 0 || s.Phase != Aborted || s.Version != version {
				t.Errorf("%s: weight %d, %s, version %d", name, r.weight(), s.Phase, s.Version)
			}
		}
	}
	if leader.restored+other.restored < 2 {
		t.Errorf("restored %d times", leader.restored+other.restored)
	}
}

// Two replicas have made different states of one version, since a fail-over lost
// the first: all take the one that Redis has.
func TestRivalStates(t *testing.T) {
	store, client := openRedis(t, servertest.StartRedis(t))
	r := newReplica("first", store, waits)
	r.look(t.Context())
	rival := r.Status().State
	rival.Weight = 77 // no step lowers it
	if err := client.Del(t.Context(), stateKey).Err(); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), rival); err != nil {
		t.Fatal(err)
	}
	r.look(t.Context())
	if r.weight() != 77 {
		t.Errorf("weight %d", r.weight())
	}
}

// An abort that a fail-over has lost is made again by a replica that knows of it, even if
// another one has gone on from before it.
func TestALostAbort(t *testing.T) {
	for name, ahead := range map[string]uint64{"a rival of it": 0, "further on": 5} {
		t.Run(name, func(t *testing.T) {
			store, client := openRedis(t, servertest.StartRedis(t))
			r, other := newReplica("first", store, waits), newReplica("second", store, waits)
			r.look(t.Context())
			r.look(t.Context())
			other.look(t.Context())
			before := other.Status().State
			if _, err := r.Do(t.Context(), Command{Verb: Abort, Actor: "ann", Cause: "toasts"}); err != nil {
				t.Fatal(err)
			}
			if err := client.Del(t.Context(), stateKey, leaseKey).Err(); err != nil {
				t.Fatal(err)
			}
			before.Version += 1 + ahead
			if err := store.Save(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			r.look(t.Context())
			other.look(t.Context())
			s := other.Status().State
			if s.Phase != Aborted || s.Weight != waits.Rollback.ToWeight || r.weight() != s.Weight || s.Version != before.Version+1 {
				t.Errorf("%s at weight %d, version %d", s.Phase, s.Weight, s.Version)
			}
			if last := s.Audit[len(s.Audit)-1]; last.Actor != "ann" || !strings.Contains(last.Cause, "lost the abort") || !strings.Contains(last.Cause, "toasts") {
				t.Errorf("the audit ends with %+v", last)
			}
			if e := r.entries(); !strings.Contains(e[len(e)-1].Cause, "lost the abort") {
				t.Errorf("told were %+v", e)
			}
			// Whoever begins again does so knowing of it.
			retried, err := For(waits).Do(s, Command{Verb: Retry, Actor: "bob"}, time.Now().Add(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Save(t.Context(), retried); err != nil {
				t.Fatal(err)
			}
			if r.look(t.Context()); r.Status().State.Phase != Progressing {
				t.Errorf("what was begun again is %s", r.Status().State.Phase)
			}
		})
	}
}

// What a replica assumes fills an empty store, and gives way to whatever a store has:
// meanwhile another rollout may have begun.
func TestAnAssumedState(t *testing.T) {
	store, client := openRedis(t, servertest.StartRedis(t))
	first := newReplica("first", store, waits)
	first.look(t.Context())
	first.look(t.Context())
	old := first.Status().State
	old.Version, old.Weight = 99, 77
	late := newReplica("late", store, waits)
	late.Assume(old)
	if late.weight() != 77 {
		t.Errorf("weight %d is in force", late.weight())
	}
	late.look(t.Context())
	if s := late.Status().State; s.Weight != 10 || s.Version >= 99 || late.weight() != 10 {
		t.Errorf("weight %d, version %d, although the store had another", s.Weight, s.Version)
	}
	told := late.Status().State
	older := told
	older.Version, older.Weight = 1, 3
	if err := client.Del(t.Context(), stateKey, leaseKey).Err(); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	if late.look(t.Context()); late.weight() != 10 {
		t.Errorf("weight %d: what it was told since is taken for assumed", late.weight())
	}
	if err := client.Del(t.Context(), stateKey, leaseKey).Err(); err != nil {
		t.Fatal(err)
	}
	late.Assume(old)
	late.look(t.Context())
	if s, ok, err := store.Load(t.Context()); err != nil || !ok || s.Weight != 77 {
		t.Errorf("%+v, %v, %v", s, ok, err)
	}
}

// A store that took a state and could not say so: the change is told all the same, once.
func TestAnAnswerIsLost(t *testing.T) {
	store, _ := openRedis(t, servertest.StartRedis(t))
	r := newReplica("first", store, waits)
	mute := &muteStore{Store: store, mute: true}
	r.o.Store = mute
	r.look(t.Context())
	if r.Status().Frozen == nil || len(r.entries()) != 0 {
		t.Fatalf("%+v", r.Status())
	}
	mute.mute = false
	r.look(t.Context())
	r.look(t.Context())
	if got := changes(r.entries()); !slices.Equal(got, []string{"phase", "weight", "step"}) {
		t.Errorf("told %v", got)
	}
}

type muteStore struct {
	Store
	mute bool
}

func (s *muteStore) Save(ctx context.Context, state State) error {
	err := s.Store.Save(ctx, state)
	if s.mute {
		err = errors.New("no answer")
	}
	return err
}

// Of many people who press the same button one moves the rollout; all others are
// told what has changed.
func TestCommandsAreSerialised(t *testing.T) {
	_, leader, other := pair(t)
	seen := leader.Status().State.Version
	var obeyed atomic.Int32
	var people sync.WaitGroup
	for i := range 10 {
		r := []*replica{leader, other}[i%2]
		people.Go(func() {
			_, err := r.Do(t.Context(), Command{Verb: Promote, Actor: "ann", Seen: seen})
			refusal, refused := errors.AsType[*Refusal](err)
			switch {
			case err == nil:
				obeyed.Add(1)
			case !refused:
				t.Error(err)
			case !strings.Contains(refusal.Reason, "changed since version") || !strings.Contains(refusal.Reason, "by ann (promote)"):
				t.Errorf("refused: %s", refusal.Reason)
			}
		})
	}
	people.Wait()
	if obeyed.Load() != 1 {
		t.Errorf("%d were obeyed", obeyed.Load())
	}
	serves(t, leader, 50)
	serves(t, other, 50)
}

// Other people's commands come in between: ten pauses and resumes are all obeyed
// or refused by what is the case, and each that was obeyed is in the audit.
func TestCommandsOfMany(t *testing.T) {
	_, leader, other := pair(t)
	var obeyed atomic.Int32
	var people sync.WaitGroup
	for i := range 20 {
		r, verb := []*replica{leader, other}[i%2], []Verb{Pause, Resume}[i/2%2]
		people.Go(func() {
			if _, err := r.Do(t.Context(), Command{Verb: verb, Actor: "ann"}); err == nil {
				obeyed.Add(1)
			}
		})
	}
	people.Wait()
	s, _, err := leader.o.Store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byAnn := 0
	for _, e := range s.Audit {
		if e.Actor == "ann" {
			byAnn++
		}
	}
	made := 0
	for _, e := range slices.Concat(leader.entries(), other.entries()) {
		if e.Actor == "ann" {
			made++
		}
	}
	if byAnn != int(obeyed.Load()) || made != byAnn || byAnn == 0 {
		t.Errorf("%d were obeyed, %d are in the audit, %d were told", obeyed.Load(), byAnn, made)
	}
}

// A gateway that restarts goes on where it was; one with another spec asks.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	run := func(s spec.Spec) *replica {
		store, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return startReplica(t, "me", store, s)
	}
	first := run(waits)
	serves(t, first, 10)
	if _, err := first.Do(t.Context(), Command{Verb: Promote}); err != nil {
		t.Fatal(err)
	}
	serves(t, first, 50)
	first.stop()
	again := run(waits)
	serves(t, again, 50)
	if s := again.Status().State; s.Phase != Progressing || s.Step != 3 {
		t.Errorf("%+v", s)
	}
	again.stop()
	other := run(spec.Spec{Steps: []spec.Step{weight(20), pause(0), weight(60), pause(0)}})
	servertest.Eventually(t, "it waits for a person", func() bool { return other.Status().State.Phase == Paused })
	if s := other.Status().State; s.Weight != 50 || s.Step != 0 || other.weight() != 50 {
		t.Errorf("%+v", s)
	}
	if _, err := other.Do(t.Context(), Command{Verb: Resume}); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "it stands before its second step", func() bool { return other.Status().State.Step == 1 })
	if other.weight() != 50 {
		t.Errorf("a lower step moved users to %d", other.weight())
	}
}

func TestBeforeItBegins(t *testing.T) {
	store, err := OpenFile(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{Machine: For(waits), Store: store})
	if _, err := r.Do(t.Context(), Command{Verb: Promote}); !errors.As(err, new(*Refusal)) {
		t.Error(err)
	}
}

// Another gateway has another spec: it obeys nothing but an abort.
func TestAnotherSpec(t *testing.T) {
	server := servertest.StartRedis(t)
	first, _ := openRedis(t, server)
	leader := startReplica(t, "first", first, waits)
	serves(t, leader, 10)
	second, _ := openRedis(t, server)
	other := startReplica(t, "second", second, spec.Spec{Steps: []spec.Step{weight(99)}})
	serves(t, other, 10)
	if _, err := other.Do(t.Context(), Command{Verb: Promote}); !errors.As(err, new(*Refusal)) || !strings.Contains(err.Error(), "another spec") {
		t.Error(err)
	}
	if _, err := other.Do(t.Context(), Command{Verb: Abort}); err != nil {
		t.Error(err)
	}
	serves(t, leader, 0)
}

// A flag that is disabled in the leader's file pauses the rollout.
func TestDisabledFlag(t *testing.T) {
	_, leader, _ := pair(t)
	leader.mu.Lock()
	leader.disabled = []string{rollout.TransportFlag}
	leader.mu.Unlock()
	servertest.Eventually(t, "it is paused", func() bool { return leader.Status().State.Phase == Paused })
	if s := leader.Status().State; !strings.Contains(s.Reason, rollout.TransportFlag) || s.Audit[len(s.Audit)-1].Trigger != ByFlag {
		t.Errorf("%+v", s)
	}
}
