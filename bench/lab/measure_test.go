package lab

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 9, 2}, 3}} {
		if got := Median(test.values); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, test := range []struct {
		sorted []int
		q      float64
		want   int
	}{{nil, 0.5, 0}, {[]int{7}, 0.99, 7}, {hundred, 0.99, 99}, {hundred, 0.995, 100}, {hundred, 0, 1}, {hundred, 1, 100}, {hundred[:99], 0.99, 99}} {
		if got := Quantile(test.sorted, test.q); got != test.want {
			t.Errorf("quantile %v of %d values is %d, want %d", test.q, len(test.sorted), got, test.want)
		}
	}
}

// Contenders take turns.
func TestInterleave(t *testing.T) {
	t.Setenv("SLUICE_BENCH", "quick")
	var order []string
	run := func(name string) Contender {
		return Contender{Name: name, Run: func(testing.TB) Figures {
			order = append(order, name)
			return Figures{Rate: float64(len(order))}
		}}
	}
	got := Interleave(t, run("a"), run("b"))
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, order); diff != "" {
		t.Error(diff)
	}
	want := []Measured{{Name: "a", Values: map[string][]float64{Rate: {1, 3}}}, {Name: "b", Values: map[string][]float64{Rate: {2, 4}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

var sample = Experiment{
	Title: "Two things", Method: "Looked at.", Columns: []string{Rate, P99},
	Measured: []Measured{
		{Name: "Sluice", What: "ours", Values: map[string][]float64{Rate: {90, 80, 100}, P99: {1}}},
		{Name: "gin", Values: map[string][]float64{Rate: {120, 100, 200}}},
	},
}

func TestOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		row  Row
		want Outcome
	}{
		"ratio reached":     {Row{Figure: Rate, Of: "Sluice", Against: "gin", AtLeast: 0.75}, Outcome{0.75, 0.5, 0.8, true}},
		"ratio too low":     {Row{Figure: Rate, Of: "Sluice", Against: "gin", AtLeast: 0.76}, Outcome{0.75, 0.5, 0.8, false}},
		"ratio too high":    {Row{Figure: Rate, Of: "Sluice", Against: "gin", AtMost: 0.7}, Outcome{0.75, 0.5, 0.8, false}},
		"figure reached":    {Row{Figure: P99, Of: "Sluice", AtMost: 1}, Outcome{1, 1, 1, true}},
		"figure not enough": {Row{Figure: Rate, Of: "Sluice", AtLeast: 91}, Outcome{90, 80, 100, false}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sample.Outcome(test.row)
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
	for _, r := range []Row{{Figure: P99, Of: "gin"}, {Figure: Rate, Of: "nginx"}, {Figure: Rate, Of: "gin", Against: "nginx"}} {
		if _, err := sample.Outcome(r); err == nil {
			t.Errorf("%+v was not measured", r)
		}
	}
}

func TestReport(t *testing.T) {
	e := sample
	e.Rows = []Row{
		{Work: "As fast", Figure: Rate, Of: "Sluice", Against: "gin", AtLeast: 0.9, Why: "it does more"},
		{Work: "In time", Figure: P99, Of: "Sluice", AtMost: 5, Why: "not needed"},
	}
	folder := t.TempDir()
	if err := (Report{Date: "2026-01-02", Commit: "abc", Size: "full", Machine: []string{"2 processors"}, Experiments: []Experiment{e}}).Write(folder); err != nil {
		t.Fatal(err)
	}
	for file, parts := range map[string][]string{
		"RESULTS.md": {
			"on 2026-01-02, commit abc: 2 processors.", "medians of 5 runs of 3s",
			"| As fast | ≥ 0.9 × gin | 0.75 (0.5–0.8) × in requests/s | **not reached**: it does more |",
			"| In time | ≤ 5 | 1 (1–1) p99 ms | reached |",
			"| Sluice | 90 (80–100) | 1 (1–1) |", "| gin | 120 (100–200) | — |", "](two-things.svg)", "- Sluice: ours\n",
		},
		"two-things.svg": {">Sluice</text>", `width="228.0"`, "</svg>"}, // 120 of 200
		"results.json":   {`"name": "gin"`},
	} {
		text, err := os.ReadFile(folder + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q:\n%s", file, part, text)
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.8512: "0.851", 12.34: "12.3", 100: "100", 1234.5: "1,234", 1234567: "1,234,567", -123456: "-123,456", 99.99: "100"} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
