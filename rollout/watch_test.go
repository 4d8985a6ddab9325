package rollout

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a gateway whose watcher runs on the fake clock of the test.
type watched struct {
	*Flags
	t       *testing.T
	reloads chan error
}

// watching runs script while Watch looks at the file at path.
func watching(t *testing.T, path string, script func(*watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t, reloads: make(chan error, 8)}
		w.Flags = open(t, path, Options{OnReload: func(err error) { w.reloads <- err }})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Watch(ctx) }()
		script(w)
		stop()
		<-done
	})
}

// expect lets the watcher look once and says what that may report: nothing (""),
// "good", or a part of the error text.
func (w *watched) expect(step string, on Transport, report string) {
	w.t.Helper()
	time.Sleep(time.Second) // of the fake clock; as long as a rollback may take
	synctest.Wait()
	if got := w.Transport(w.t.Context(), alice); got != on {
		w.t.Errorf("%s: alice is on %s, want %s", step, got, on)
	}
	got := w.reported()
	if report == "" && got != "" || !strings.Contains(got, report) {
		w.t.Errorf("%s: reported %q, want %q", step, got, report)
	}
}

func (w *watched) reported() string {
	var all []string
	for len(w.reloads) > 0 {
		if err := <-w.reloads; err != nil {
			all = append(all, err.Error())
		} else {
			all = append(all, "good")
		}
	}
	return strings.Join(all, "; ")
}

func TestWatchKeepsTheLastGoodFile(t *testing.T) {
	path := writeFlags(t, everybody(SSE))
	half := everybody(Poll)[:40]
	watching(t, path, func(w *watched) {
		w.expect("nothing happened", SSE, "")
		write(t, path, everybody(Poll))
		w.expect("new content", Poll, "good")
		w.expect("the same content", Poll, "")
		write(t, path, half)
		w.expect("half written", Poll, "unexpected end")
		w.expect("still half written", Poll, "")
		write(t, path, "")
		w.expect("empty", Poll, "unexpected end")
		remove(t, path)
		w.expect("missing", Poll, "no such file")
		w.expect("still missing", Poll, "")
		write(t, path, "")
		w.expect("empty again", Poll, "unexpected end")
		write(t, path, everybody(Poll))
		w.expect("the last good content again", Poll, "good")
		write(t, path, everybody(SSE))
		w.expect("rolled back", SSE, "good")
	})
}

// The size and the time of the last change may stay; the content is what counts.
func TestWatchComparesContent(t *testing.T) {
	path := writeFlags(t, everybody(Poll))
	watching(t, path, func(w *watched) {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, everybody(SSE)+" ") // "poll" is longer by one
		if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
		w.expect("same size and time", SSE, "good")
		if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		w.expect("touched", SSE, "")
	})
}

// Editors write a second file and rename it over the first.
func TestWatchFollowsARename(t *testing.T) {
	path := writeFlags(t, everybody(SSE))
	watching(t, path, func(w *watched) {
		for _, on := range []Transport{Poll, SSE} {
			write(t, path+"~", everybody(on))
			rename(t, path+"~", path)
			w.expect("renamed", on, "good")
		}
	})
}

// Kubernetes mounts a config map as links: flags.json → ..data/flags.json and
// ..data → a folder of the version, and swaps the second by a rename.
func TestWatchFollowsKubernetesLinks(t *testing.T) {
	dir := t.TempDir()
	version := func(name string, on Transport) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "flags.json"), everybody(on))
		link(t, name, filepath.Join(dir, "..data_tmp"))
		rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	}
	version("..1", SSE)
	path := filepath.Join(dir, "flags.json")
	link(t, filepath.Join("..data", "flags.json"), path)
	watching(t, path, func(w *watched) {
		version("..2", Poll)
		w.expect("swapped", Poll, "good")
		if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
			t.Fatal(err)
		}
		w.expect("the old version is gone", Poll, "")
	})
}

func TestWatchWithoutAFileWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, start := open(t, "", Options{}), time.Now()
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if f.Watch(ctx); time.Since(start) != time.Hour {
			t.Errorf("Watch returned after %s, want 1h", time.Since(start))
		}
	})
}

// What happened between Open and Watch is not missed.
func TestWatchComparesWithWhatOpenRead(t *testing.T) {
	path := writeFlags(t, everybody(SSE))
	synctest.Test(t, func(t *testing.T) {
		f := open(t, path, Options{})
		write(t, path, everybody(Poll))
		ctx, stop := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
		defer stop()
		f.Watch(ctx)
		if got := f.Transport(t.Context(), alice); got != Poll {
			t.Errorf("alice is on %s, want poll", got)
		}
	})
}

// Readers never see a mixture or a gap while the file changes under them.
func TestReloadDuringEvaluations(t *testing.T) {
	path := writeFlags(t, everybody(SSE))
	f := open(t, path, Options{OnEvaluation: func(_, _, reason string) {
		if reason != "split" {
			t.Errorf("reason %s, want split", reason)
		}
	}})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				f.Transport(t.Context(), alice)
			}
		}
	}()
	for i := range 50 {
		on := []Transport{Poll, SSE}[i%2]
		write(t, path+"~", everybody(on))
		rename(t, path+"~", path)
		if changed, err := f.file.look(); !changed || err != nil {
			t.Fatalf("look: changed %t, error %v", changed, err)
		}
		if got := f.Transport(t.Context(), alice); got != on {
			t.Fatalf("alice is on %s after the reload, want %s", got, on)
		}
	}
	close(stop)
	<-done
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}
