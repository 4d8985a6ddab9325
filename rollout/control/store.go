package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrConflict is Save's answer to a state that does not follow the stored one.
var ErrConflict = errors.New("the rollout was changed by somebody else meanwhile")

// Store keeps the state for all replicas. Its methods may be called concurrently.
type Store interface {
	// Load returns the state; false when there is none.
	Load(ctx context.Context) (State, bool, error)
	// Save takes a state in place of the one whose version is one less, or of none.
	// Otherwise it returns ErrConflict.
	Save(ctx context.Context, s State) error
	// Restore takes a state in place of an older one or none: the store has lost what
	// it was given. Otherwise it returns ErrConflict.
	Restore(ctx context.Context, s State) error
	// Lead asks for the lease, or renews it, for so long; false when another holds it.
	Lead(ctx context.Context, me string, term time.Duration) (bool, error)
	// Changes gives a channel that gets a value when another replica may have saved
	// something; values can be lost. None come after the end of ctx.
	Changes(ctx context.Context) <-chan struct{}
}

// File keeps the state of a single replica in a file.
type File struct {
	path string

	mu    sync.Mutex
	state *State
}

var _ Store = (*File)(nil)

// OpenFile reads the file at path, if there is one. A damaged file is an error.
func OpenFile(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return &File{path: path}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the state of the rollout: %w", err)
	}
	s, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("the state of the rollout, %s: %w; restore the file, or remove it to begin again", path, err)
	}
	return &File{path: path, state: &s}, nil
}

// Load returns the state.
func (f *File) Load(context.Context) (State, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == nil {
		return State{}, false, nil
	}
	return *f.state, true, nil
}

// Save replaces the file in one step.
func (f *File) Save(_ context.Context, s State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != nil && s.Version != f.state.Version+1 {
		return ErrConflict
	}
	return f.put(s)
}

// Restore replaces the file in one step. Nothing but a person can take it away.
func (f *File) Restore(_ context.Context, s State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != nil && s.Version <= f.state.Version {
		return ErrConflict
	}
	return f.put(s)
}

// Keep makes the file a copy of a state that another store has. Measurements alone are
// not worth a write.
func (f *File) Keep(s State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != nil && f.state.sameAudit(s) {
		return nil
	}
	return f.put(s)
}

// sameAudit says whether two states end with the same change.
func (s State) sameAudit(o State) bool {
	if len(s.Audit) == 0 || len(o.Audit) == 0 {
		return false
	}
	a, b := s.Audit[len(s.Audit)-1], o.Audit[len(o.Audit)-1]
	return a.Version == b.Version && a.At.Equal(b.At)
}

func (f *File) put(s State) error {
	if err := replace(f.path, s); err != nil {
		return fmt.Errorf("the state of the rollout: %w", err)
	}
	f.state = &s
	return nil
}

// replace writes a file that is whole at any time, also after a loss of power.
func replace(path string, s State) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// Lead is always granted: there is nobody else.
func (f *File) Lead(context.Context, string, time.Duration) (bool, error) { return true, nil }

// Changes never come.
func (f *File) Changes(context.Context) <-chan struct{} { return nil }
