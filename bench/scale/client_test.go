package scale

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// node builds the browser client's own modules, and has a script of testdata do with
// them what in says.
func node(t *testing.T, script string, in, out any) {
	t.Helper()
	folder := t.TempDir()
	built := filepath.Join(folder, ".build")
	build := exec.Command("go", "run", "./client/build", "-modules", built)
	build.Dir = "../.."
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	// The tabs of the client's tests look for the build beside themselves.
	tabs, err := os.ReadFile("../../client/test/tab.mjs")
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(folder, "test", "tab.mjs")
	if err := os.Mkdir(filepath.Dir(beside), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(beside, tabs, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "package.json"), []byte(`{"type":"module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]string{"schedule.mjs": built, "browser.mjs": beside}[script]
	run := exec.Command("node", filepath.Join("testdata", script), needs)
	var stderr bytes.Buffer
	run.Stdin, run.Stderr = bytes.NewReader(text), &stderr
	text, err = run.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

type scheduleStep struct {
	At     float64 `json:"at"`
	Random float64 `json:"random"`
	Does   string  `json:"does"`
	Given  float64 `json:"given"`
}

// The waits are those of client/src/schedule.ts, to the microsecond.
func TestScheduleIsTheClients(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var lives [][]scheduleStep
	var want, got []float64
	for range 200 {
		now, s := time.Duration(0), newSchedule(0)
		life := []scheduleStep{{Does: "begin"}}
		for range 60 {
			now += time.Duration(r.IntN(30_000)) * time.Millisecond
			step := scheduleStep{At: milliseconds(now), Random: r.Float64(), Does: "next", Given: float64(1000 * r.IntN(90))}
			given := time.Duration(step.Given) * time.Millisecond
			switch n := r.IntN(20); {
			case n == 0:
				step.Does = "active"
				s.active(now)
			case n < 5 || len(life)%30 > 20:
				step.Does = "backoff"
				want = append(want, milliseconds(s.backoff(given, step.Random)))
			default:
				s.succeeded()
				want = append(want, milliseconds(s.next(now, given, step.Random)))
			}
			life = append(life, step)
		}
		lives = append(lives, life)
	}
	node(t, "schedule.mjs", lives, &got)
	if len(got) != len(want) {
		t.Fatalf("%d waits, want %d", len(got), len(want))
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 0.001 {
			t.Fatalf("wait %d: the client's is %.3f ms, ours %.3f", i, got[i], want[i])
		}
	}
}

type tabEvent struct {
	At   float64 `json:"at"`
	Does string  `json:"does"`
}

type outage struct {
	From       float64 `json:"from"`
	Until      float64 `json:"until"`
	RetryAfter int     `json:"retryAfter"`
}

// lived is a browser's hour: what happens to it, and when it polls.
type lived struct {
	Events []tabEvent `json:"events"`
	Items  []float64  `json:"items"` // when they come
	Down   outage     `json:"down"`
	polls  []float64
}

func (l *lived) happens(at time.Duration, does string) {
	l.Events = append(l.Events, tabEvent{milliseconds(at), does})
}

// jitter is what is at random in a wait; testdata/browser.mjs has the same. In the very
// middle, waits would be whole seconds, and a minute over or not by a rounding.
const jitter = 0.51

// live lets the model live.
func live(seed uint64, length time.Duration) *lived {
	h, r := Office, random(seed)
	l := &lived{Down: outage{milliseconds(length / 2), milliseconds(length/2 + 2*time.Minute), 7}, Items: []float64{}}
	for at := r.after(h.Item); at < length; at += r.after(h.Item) {
		l.Items = append(l.Items, math.Round(milliseconds(at)))
	}
	b := browser{random: r, due: never, turn: time.Millisecond, change: never, end: never}
	for now := b.alarm(); now < length; now = b.alarm() {
		l.inputs(&b, now)
		before, change, front, back := b.state, b.change, b.front, b.back
		polls := b.step(now, &h)
		l.tell(now, before, b.state, now >= change, b.front.knew == unknown && b.back == back && front != b.front)
		if polls {
			l.polls = append(l.polls, milliseconds(now))
			after, _ := b.ask(now)
			reply := l.answer(now, after)
			b.answered(now, &reply, jitter)
		}
	}
	l.happens(length, "end")
	return l
}

// inputs are those since the last event, up to now.
func (l *lived) inputs(b *browser, now time.Duration) {
	if b.state != used || len(l.Events) == 0 {
		return
	}
	last := time.Duration(l.Events[len(l.Events)-1].At * float64(time.Millisecond))
	for at := b.since + max(0, last-b.since).Truncate(inputEvery); at < now; at += inputEvery {
		if at > last {
			l.happens(at, "input")
		}
	}
}

// tell says what has happened to the browser in a step.
func (l *lived) tell(now time.Duration, before, after state, changed, loaded bool) {
	switch {
	case before == absent:
		l.happens(now, "load")
		l.happens(now, "input")
	case before == hidden && after == used:
		l.happens(now, "show")
		l.happens(now, "input")
	case before == idle && after == used:
		l.happens(now, "input")
	case before == used && after == hidden:
		l.happens(now, "hide")
	case changed && loaded:
		l.happens(now, "load")
	case changed:
		l.happens(now, "switch")
	}
}

// answer is what testdata/browser.mjs answers.
func (l *lived) answer(now time.Duration, after string) reply {
	at := milliseconds(now)
	if at >= l.Down.From && at < l.Down.Until {
		return reply{failed: true, retryAfter: time.Duration(l.Down.RetryAfter) * time.Second}
	}
	there := len(l.Items)
	if i := slices.IndexFunc(l.Items, func(item float64) bool { return item > at }); i >= 0 {
		there = i
	}
	from := there
	if after != "" {
		from, _ = strconv.Atoi(after[1:])
	}
	r := reply{place: "c" + strconv.Itoa(there), interval: clientInterval}
	for range there - from {
		r.items = append(r.items, time.Time{})
	}
	return r
}

// A browser polls when the client's own script does, in tabs that people load, hide,
// show, use and change between, with a server that is down for a while.
func TestBrowserIsTheClients(t *testing.T) {
	var lives []*lived
	for seed := range uint64(6) {
		lives = append(lives, live(seed, time.Hour))
	}
	var polls [][]float64
	node(t, "browser.mjs", lives, &polls)
	for seed, l := range lives {
		got := polls[seed]
		if len(got) != len(l.polls) || len(got) < 100 {
			t.Errorf("seed %d: the client polls %d times, the model %d", seed, len(got), len(l.polls))
		}
		for i := range min(len(got), len(l.polls)) {
			if math.Abs(got[i]-l.polls[i]) > 1 {
				t.Errorf("seed %d: poll %d of the client at %.0f ms, of the model at %.0f", seed, i, got[i], l.polls[i])
				break
			}
		}
	}
}
