package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"sluice/rollout"
)

// What every file says of itself.
const (
	APIVersion = "sluice/v1alpha1"
	Kind       = "Rollout"
)

// Limits keep sums of durations from overflowing, and catch typing errors.
const (
	maxSteps    = 100
	maxPause    = 720 * time.Hour
	maxFileSize = 64 << 10
)

// Load reads the file at path. Its error joins all that is wrong with single
// fields or, when they are all right, with their combination, a line each: path,
// line, column, field, what is allowed.
func Load(path string) (Spec, error) {
	content, err := readFile(path)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return Spec{}, fmt.Errorf("%s: %w", path, err)
	}
	return Parse(path, content)
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(content) > maxFileSize {
		err = fmt.Errorf("larger than %d KiB", maxFileSize>>10)
	}
	return string(content), err
}

// Parse is Load for the content of a file; file is only a name for errors.
func Parse(file, content string) (Spec, error) {
	r := &reader{file: file, at: map[string]field{}}
	root, ok := r.root(content)
	if !ok {
		return Spec{}, r.err()
	}
	s := r.top(root)
	if len(r.faults) == 0 {
		r.checkOrder(s)
		r.checkTimes(s)
	}
	if len(r.faults) > 0 {
		return Spec{}, r.err()
	}
	return s, nil
}

func (r *reader) top(root field) (s Spec) {
	has := r.object(root,
		entry{"apiVersion", func(f field) { oneOf(r, f, APIVersion) }},
		entry{"kind", func(f field) { oneOf(r, f, Kind) }},
		entry{"metadata", func(f field) { s.Name = r.metadata(f) }},
		entry{"spec", func(f field) { r.spec(f, &s) }})
	for _, key := range []string{"apiVersion", "kind", "spec"} {
		r.need(root, has, key)
	}
	return s
}

// need complains of a missing key.
func (r *reader) need(f field, has map[string]field, key string) {
	if _, ok := has[key]; has != nil && !ok {
		r.fail(f, "%s is missing", key)
	}
}

func (r *reader) metadata(f field) (name string) {
	r.object(f, entry{"name", func(f field) { name = r.text(f) }})
	return name
}

func (r *reader) spec(f field, s *Spec) {
	address := ""
	has := r.object(f,
		entry{"prometheus", func(f field) { address = r.prometheus(f) }},
		entry{"steps", func(f field) { s.Steps = r.steps(f) }},
		entry{"analysis", func(f field) { s.Background = r.background(f, len(s.Steps)) }},
		entry{"progressDeadline", func(f field) { s.ProgressDeadline = r.duration(f, time.Second, maxPause) }},
		entry{"rollback", func(f field) { s.Rollback = r.rollback(f) }})
	r.need(f, has, "steps")
	s.eachMetric(func(m *Metric) {
		if m.Source == Prometheus && m.Address == "" {
			m.Address = address
		}
	})
}

// eachMetric visits every metric of the steps and of the background.
func (s *Spec) eachMetric(visit func(*Metric)) {
	for _, st := range s.Steps {
		for i := range st.Metrics {
			visit(&st.Metrics[i])
		}
	}
	if s.Background != nil {
		for i := range s.Background.Metrics {
			visit(&s.Background.Metrics[i])
		}
	}
}

func (r *reader) rollback(f field) (b Rollback) {
	r.object(f,
		entry{"toWeight", func(f field) { b.ToWeight = r.whole(f, 0, 99) }},
		entry{"cooldown", func(f field) { b.Cooldown = r.duration(f, 0, maxPause) }})
	return b
}

func (r *reader) steps(f field) (steps []Step) {
	items := r.list(f, "step")
	if len(items) > maxSteps {
		r.fail(f, "has %d steps; at most %d are allowed", len(items), maxSteps)
	}
	for _, item := range items {
		steps = append(steps, r.step(item))
	}
	return steps
}

func (r *reader) step(f field) (s Step) {
	var verbs []string
	verb := func(v Verb, read func(field)) entry {
		return entry{string(v), func(f field) {
			verbs = append(verbs, string(v))
			s.Verb = v
			read(f)
		}}
	}
	before := len(r.faults)
	r.object(f,
		verb(SetWeight, func(f field) { s.Weight = r.whole(f, 0, 100) }),
		verb(SetStream, func(f field) { s.Stream = oneOf(r, f, streams...) }),
		verb(Pause, func(f field) { s.Pause = r.pause(f) }),
		verb(Analyse, func(f field) { s.Metrics = r.analysis(f) }))
	switch {
	case len(verbs) > 1:
		r.fail(f, "%s are in one step; write each as a step of its own", strings.Join(verbs, " and "))
	case len(verbs) == 0 && len(r.faults) == before:
		r.fail(f, "needs one of setWeight, setStream, pause, analysis")
	}
	return s
}

// streams in the order in which a rollout goes through them.
var streams = []rollout.Stream{rollout.Upstream, rollout.Bridge, rollout.Retired}

func (r *reader) pause(f field) (d time.Duration) {
	r.object(f, entry{"duration", func(f field) { d = r.duration(f, time.Second, maxPause) }})
	return d
}
