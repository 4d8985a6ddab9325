package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/servertest"
	"sluice/rollout"
	"sluice/rollout/spec"
)

// stores are all there are, empty.
func stores(t *testing.T) map[string]Store {
	t.Helper()
	file, err := OpenFile(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	shared, _ := openRedis(t, servertest.StartRedis(t))
	return map[string]Store{"file": file, "redis": shared}
}

func at(version uint64) State {
	s := For(spec.Spec{Steps: []spec.Step{weight(10)}}).Start(begin, rollout.Heading{Weight: int(version), Stream: rollout.Bridge})
	s.Version = version
	return s
}

func TestStoresKeepTheNewest(t *testing.T) {
	ctx := context.Background()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			holds := func(want uint64) {
				t.Helper()
				s, ok, err := store.Load(ctx)
				if err != nil || ok != (want > 0) || s.Version != want || s.Weight != int(want) {
					t.Errorf("version %d, %v, %v; want %d", s.Version, ok, err, want)
				}
			}
			holds(0)
			for _, step := range []struct {
				put  func(context.Context, State) error
				give uint64
				want error
				then uint64
			}{
				{store.Save, 7, nil, 7}, // in place of none
				{store.Save, 7, ErrConflict, 7}, {store.Save, 9, ErrConflict, 7}, {store.Save, 6, ErrConflict, 7},
				{store.Save, 8, nil, 8},
				{store.Restore, 8, ErrConflict, 8}, {store.Restore, 3, ErrConflict, 8},
				{store.Restore, 12, nil, 12}, {store.Save, 13, nil, 13},
			} {
				if err := step.put(ctx, at(step.give)); !errors.Is(err, step.want) {
					t.Errorf("putting %d: %v, want %v", step.give, err, step.want)
				}
				holds(step.then)
			}
		})
	}
}

// Of many who follow the same state one is taken.
func TestOneOfManySaves(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			if err := store.Restore(t.Context(), at(1)); err != nil {
				t.Fatal(err)
			}
			var taken atomic.Int32
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					switch err := store.Save(t.Context(), at(2)); {
					case err == nil:
						taken.Add(1)
					case !errors.Is(err, ErrConflict):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if taken.Load() != 1 {
				t.Errorf("%d were taken", taken.Load())
			}
		})
	}
}

func TestFileOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	first, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := at(1)
	if err := first.Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	again, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok, err := again.Load(t.Context()); err != nil || !ok || got.differs(want) || got.Version != 1 {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestFileTroubles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, text := range []string{"", "{", `{"version":1}`, `{"version":1,"phase":"progressing","stream":"bridge","weight":101}`, `{"version":1,"phase":"going","stream":"bridge"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%q: %v", text, err)
		}
	}
	nowhere, err := OpenFile(filepath.Join(t.TempDir(), "none", "state"))
	if err != nil {
		t.Fatal(err)
	}
	if err := nowhere.Save(t.Context(), at(1)); err == nil {
		t.Error("saved nowhere")
	}
	if _, ok, _ := nowhere.Load(t.Context()); ok {
		t.Error("what could not be saved is there")
	}
}

func TestLease(t *testing.T) {
	store, client := openRedis(t, servertest.StartRedis(t))
	lead := func(who string, term time.Duration, want bool) {
		t.Helper()
		if got, err := store.Lead(t.Context(), who, term); err != nil || got != want {
			t.Errorf("%s: %v, %v", who, got, err)
		}
	}
	lead("a", time.Minute, true)
	lead("b", time.Minute, false)
	lead("a", time.Minute, true)
	if left := client.PTTL(t.Context(), leaseKey).Val(); left < 59*time.Second || left > time.Minute {
		t.Errorf("the lease lasts %s", left)
	}
	lead("a", time.Millisecond, true) // it leaves
	servertest.Eventually(t, "the lease is over", func() bool {
		got, err := store.Lead(t.Context(), "b", time.Minute)
		return got && err == nil
	})
	lead("a", time.Minute, false)
}

// What is in Redis but is no state steers nobody.
func TestNonsenseInRedis(t *testing.T) {
	store, client := openRedis(t, servertest.StartRedis(t))
	for _, text := range []string{"", "{", `{"version":1,"phase":"progressing","stream":"bridge","weight":-1}`, `{"version":1,"phase":"progressing","stream":"x"}`} {
		if err := client.HSet(t.Context(), stateKey, "version", 1, "state", text).Err(); err != nil {
			t.Fatal(err)
		}
		if s, ok, err := store.Load(t.Context()); err == nil || ok {
			t.Errorf("%q: %+v", text, s)
		}
	}
}

func TestChangesAreTold(t *testing.T) {
	server := servertest.StartRedis(t)
	here, _ := openRedis(t, server)
	there, client := openRedis(t, server)
	changes := there.Changes(t.Context())
	servertest.Eventually(t, "somebody listens", func() bool { return client.PubSubNumSub(t.Context(), channel).Val()[channel] == 1 })
	if err := here.Save(t.Context(), at(1)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changes:
	case <-time.After(servertest.Patience):
		t.Error("nobody was told")
	}
}

// A copy follows each change, also to a rollout that has begun anew, and no measurement.
func TestACopyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, waits)
	kept := func() uint64 {
		t.Helper()
		if err := f.Keep(b.s); err != nil {
			t.Fatal(err)
		}
		again, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, _, _ := again.Load(t.Context())
		return s.Version
	}
	if v := kept(); v != 1 {
		t.Errorf("version %d", v)
	}
	changed := b.after(time.Second).s.Version
	if v := kept(); v != changed || v == 1 {
		t.Errorf("version %d, want %d", v, changed)
	}
	b.s.Version++ // a measurement
	if v := kept(); v != changed {
		t.Errorf("version %d, want %d", v, changed)
	}
	b.s = b.m.Start(b.w.now.Add(time.Hour), rollout.Heading{Stream: rollout.Upstream})
	if v := kept(); v != 1 {
		t.Errorf("version %d of the rollout that has begun anew", v)
	}
}
