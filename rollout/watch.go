package rollout

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// lookEvery is short enough for "back in seconds" and long enough to cost
// nothing. Reading the content, rather than waiting for file events, is what
// works alike for editors that rename, for Kubernetes' symlink swaps and over
// network file systems.
const lookEvery = time.Second

// flagFile is a flag file whose flags in force change in one step.
type flagFile struct {
	path    string
	current atomic.Pointer[map[string]*flag]
	steered atomic.Pointer[map[string]choice] // by a controller; nil when there is none
	version atomic.Uint64                     // counted on behind each change of these two
	seen    *sight                            // at the last look; nil before the first
}

// sight is what a look at the file shows: its text, or why it cannot be read.
type sight struct{ text, trouble string }

// openFile loads the flag file at path; a bad one is an error.
func openFile(path string) (*flagFile, error) {
	f := &flagFile{path: path}
	if _, err := f.look(); err != nil {
		return nil, err
	}
	return f, nil
}

// choose takes what a controller has chosen; nil is nothing.
func (f *flagFile) choose(steered *map[string]choice) {
	f.steered.Store(steered)
	f.version.Add(1)
}

// steer is what a controller has chosen for a flag, if anything.
func (f *flagFile) steer(key string) *choice {
	steered := f.steered.Load()
	if steered == nil {
		return nil
	}
	c, ok := (*steered)[key]
	if !ok {
		return nil
	}
	return &c
}

// flags are those in force, by name.
func (f *flagFile) flags() map[string]*flag { return *f.current.Load() }

func (f *flagFile) watch(ctx context.Context, onReload func(error)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if changed, err := f.look(); changed {
				onReload(err)
			}
		}
	}
}

// look reads the file and tells whether it shows anything new. If so, it is put
// in force, or err says why not.
func (f *flagFile) look() (changed bool, err error) {
	text, err := os.ReadFile(f.path)
	now := sight{text: string(text)}
	if err != nil {
		err = fmt.Errorf("read flag file: %w", err)
		now.trouble = err.Error()
	}
	if f.seen != nil && *f.seen == now {
		return false, nil
	}
	f.seen = &now
	if err != nil {
		return true, err
	}
	flags, err := load(f.path, text)
	if err == nil {
		f.current.Store(&flags)
		f.version.Add(1)
	}
	return true, err
}
