package tune

import (
	"math"
	"testing"
	"time"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s: %.3f, want %.3f", what, got, want)
	}
}

func TestAnEmptyWindow(t *testing.T) {
	m := NewWindow(epoch).Measured(epoch, 0.95)
	if m != (Measured{Overhead: 0.5, Stretch: 1}) {
		t.Errorf("%+v", m)
	}
}

// Ten clients that poll every five seconds, and two a second that do not say.
func fill(w *Window, from, to int) {
	for second := from; second < to; second++ {
		for range 2 {
			w.Observed(at(float64(second)), 5*time.Second, 5*time.Second)
			w.Polled(at(float64(second)), 100*time.Millisecond)
			w.Polled(at(float64(second)), 300*time.Millisecond)
		}
	}
}

// Clients and polls are right from the first minute on, and gone five or six
// minutes after they are.
func TestWindow(t *testing.T) {
	w := NewWindow(epoch)
	fill(w, 0, 30)
	m := w.Measured(at(30), 0.95)
	near(t, "clients, at first", m.Clients, 10, 0.1)
	near(t, "polls of others", m.Unmoved, 2, 0.1)
	near(t, "overhead, without items", m.Overhead, 0.2+0.5, 1e-9)
	fill(w, 30, 3600)
	m = w.Measured(at(3600), 0.95)
	near(t, "clients, after an hour", m.Clients, 10, 0.1)
	near(t, "polls of others", m.Unmoved, 2, 0.1)
	if m := w.Measured(at(3600+299), 0.95); m.Clients == 0 || m.Clients > 10./5 {
		t.Errorf("five minutes later: %+v", m)
	}
	if m := w.Measured(at(3600+361), 0.95); m != (Measured{Overhead: 0.5, Stretch: 1}) {
		t.Errorf("when all have gone: %+v", m)
	}
	fill(w, 100000, 100030)
	near(t, "after a long silence", w.Measured(at(100030), 0.95).Clients, 10./11, 0.4)
}

func TestOverhead(t *testing.T) {
	w := NewWindow(epoch)
	fill(w, 0, 60)
	for i := range 19 {
		w.Delivered(at(50), duration(float64(i)))
	}
	near(t, "too few items", w.Measured(at(60), 0.95).Overhead, 0.7, 1e-9)
	w.Delivered(at(50), duration(9)) // 4 to 5 s wait at most, all others are older: 9 s in the mean
	near(t, "the mean less half a gap", w.Measured(at(60), 0.95).Overhead, 9-2.5, 1e-9)
	for range 1000 {
		w.Delivered(at(55), 0)
	}
	near(t, "at least the poll", w.Measured(at(60), 0.95).Overhead, 0.2, 1e-9)
}

// A second of a client's time counts the same, whatever it waits: of a client that
// waits 5 s and 20 s by turns, four in five items fall into the long waits.
func TestStretch(t *testing.T) {
	for _, c := range []struct {
		gaps     []float64 // seconds
		quantile float64
		want     float64 // seconds, of the wait at the quantile
		exact    float64
	}{
		{[]float64{5}, 0.95, 0.95 * 1.1 * 5, 0.01}, // shorter than allowed for: 1
		{[]float64{5, 20}, 0.5, 7.5, 0.25},         // both wait 5 s at least: 10 s of 25, then one of them the rest
		{[]float64{5, 20}, 0.95, 18.75, 0.4},
		{[]float64{20}, 0.95, 19, 0.4},
		{[]float64{0, 0, 0, 20}, 0.95, 19, 0.4},
		{[]float64{60}, 0.95, 4 * 0.95 * 1.1 * 5, 0.01}, // nobody who polls as told waits so long
	} {
		w := NewWindow(epoch)
		for range 10 {
			for _, gap := range c.gaps {
				w.Observed(epoch, duration(gap), 5*time.Second)
			}
		}
		near(t, "wait", w.Measured(epoch, c.quantile).Stretch*c.quantile*(1+Jitter)*5, c.want, c.exact)
	}
}
