package flagdtest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-feature/go-sdk/openfeature"

	"sluice/rollout"
)

var update = flag.Bool("update", false, "write the committed vectors anew")

const vectorsFile = "../testdata/flagd.json"

// vectors is what flagd says of users, where Sluice's own tests find it.
type vectors struct {
	Splits  [][]int  `json:"splits"` // the weights of v0, v1, …
	Vectors []vector `json:"vectors"`
}

// vector is one user of one flag.
type vector struct {
	Flag   string `json:"flag"`
	User   string `json:"user"`
	Bucket int    `json:"bucket"` // which of a thousand equal shares; -1: none, the flag's default
	Picks  []int  `json:"picks"`  // which variant of each split
}

// splits are weights of many kinds, up to the largest sum that flagd takes.
var splits = [][]int{
	{0, 100}, {1, 99}, {10, 90}, {50, 50}, {99, 1}, {100, 0}, {1}, {0, 1}, {1, 999}, {33, 33, 34}, {1, 1, 1, 1, 1, 1, 1},
	{0, 5, 0, 5, 0}, {1, 1<<31 - 2}, {1 << 30, 1<<30 - 1}, {715827882, 715827882, 715827883},
}

// The committed vectors are what flagd says today.
func TestVectors(t *testing.T) {
	got := encode(t, ask(t))
	if *update {
		if err := os.WriteFile(vectorsFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("flagd decides otherwise than %s says: a move to this version of flagd moves users; run with -update and look at the difference", vectorsFile)
	}
}

func ask(t *testing.T) vectors {
	all := vectors{Splits: splits}
	for _, key := range []string{rollout.TransportFlag, rollout.StreamFlag, "headerColor"} {
		buckets := pick(t, key, equal(1000))
		var picks [][]int
		for _, s := range splits {
			picks = append(picks, pick(t, key, s))
		}
		for i, user := range users() {
			v := vector{Flag: key, User: user, Bucket: buckets[i]}
			for _, p := range picks {
				v.Picks = append(v.Picks, p[i])
			}
			all.Vectors = append(all.Vectors, v)
		}
	}
	return all
}

func equal(n int) []int {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

// pick asks flagd in which share of a flag each user is; -1 is none.
func pick(t *testing.T, key string, weights []int) (shares []int) {
	t.Helper()
	var variants, parts []string
	for i, w := range weights {
		variants = append(variants, fmt.Sprintf(`"v%d": "v%d"`, i, i))
		parts = append(parts, fmt.Sprintf(`["v%d", %d]`, i, w))
	}
	path := write(t, filepath.Join(t.TempDir(), "flags.json"), fmt.Sprintf(
		`{"flags": {%q: {"state": "ENABLED", "variants": {"none": "v-1", %s}, "defaultVariant": "none", "targeting": {"fractional": [%s]}}}}`,
		key, strings.Join(variants, ", "), strings.Join(parts, ", ")))
	p := flagdReads(t, path)
	defer p.close()
	for _, user := range users() {
		value, err := p.StringValue(context.Background(), key, "", openfeature.NewEvaluationContext(user, nil))
		var share int
		if _, scan := fmt.Sscanf(value, "v%d", &share); err != nil || scan != nil {
			t.Fatalf("%s %q: %q, %v", key, user, value, err)
		}
		shares = append(shares, share)
	}
	return shares
}

// encode is JSON with a line for each vector.
func encode(t *testing.T, v vectors) []byte {
	t.Helper()
	var out bytes.Buffer
	line := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	fmt.Fprintf(&out, "{\"splits\": %s,\n \"vectors\": [\n", line(v.Splits))
	for i, one := range v.Vectors {
		fmt.Fprintf(&out, "%s%s\n", line(one), map[bool]string{true: ",", false: "]}"}[i+1 < len(v.Vectors)])
	}
	return out.Bytes()
}
