package modeltest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutations are the rules that the design rests on, and how to take each away.
// Without any of them a model must fail.
var mutations = []struct {
	rule, model, file, old, new string
}{
	{"fence in process: a read from before a change is not stored", "Commits", "latest/memory.go",
		`kept.nonce == t.nonce && t.at >= kept.at`, `t.at >= kept.at`},
	{"fence in Redis: a read from before a change is not stored", "ServersSQLite", "latest/put.lua",
		`if redis.call('GETRANGE', KEYS[1], 0, 7) == ARGV[1] then`, `do`},
	{"fence between polls: a poll after a change joins no read from before it", "Rows", "latest/reader.go",
		`flight{c, q, l.local.Ticket.nonce}`, `flight{c, q, 0}`},
	{"polls join only reads that are young enough", "Rows", "latest/flight.go",
		`time.Since(c.started) <= bound(c.started)`, `bound(c.started) > 0`},
	{"equality of place, not the same moment", "Rows", "latest.go",
		`if l.ID != s.id {`, `if !s.sealed && l.ID != s.id {`},
	{"equality of place, not order", "Rows", "latest.go",
		`return l.At == s.cursor.At && (`, `return l.At >= s.cursor.At && (`},
	{"the cache compares checksums", "Rows", "latest.go",
		`l.Covered && l.Sum == s.cursor.Sum`, `l.Covered`},
	{"a page that is not the last is not stored", "Rows", "read.go",
		`if !p.More {`, `if true {`},
	{"age counts from the start of the read", "Rows", "latest/memory.go",
		`entry{t.nonce, t.at, l}`, `entry{t.nonce, m.now(), l}`},
	{"age bounds what nobody vouches for", "Rows", "latest/reader.go",
		`l.Age >= 0 && l.Age <= r.Bound(l.read(asked))`, `l.Age >= 0`},
	{"a clock that went back is a miss", "Rows", "latest/reader.go",
		`l.Age >= 0 && l.Age <= r.Bound(l.read(asked))`, `l.Age <= r.Bound(l.read(asked))`},
	{"checksum: what slid in behind the place is noticed", "SQLite", "read.go",
		`case w.moveTo(c.Key) != c.Sum:`, `case false:`},
	{"checksum over created_at, not the id alone", "Rows", "cursor.go",
		`binary.BigEndian.PutUint64(at[:], uint64(k.At))`, `_ = k.At`},
	{"look-back by time, not the last 20 rows", "SQLite", "read.go",
		`w.start < w.end && w.keys[w.start].At < k.before(w.lookBack)`, `w.end-w.start > 20 || w.start < w.end && w.keys[w.start].At < k.before(w.lookBack)`},
	{"settled is judged when the cursor is issued, not when it is used", "SQLite", "read.go",
		`p.Check = verdict(c, ok.bare, w)`, `c.Settled = c.Settled || r.olderThan(c.Key, r.lookBack)
	p.Check = verdict(c, ok.bare, w)`},
	{"a cursor belongs to its user", "Rows", "cursor.go",
		`if check(body, user) != sum {`, `if sum == 0 {`},
	{"a source that does not reach back says so", "Upstream", "list.go",
		`!l.cut || len(l.rows) > 0 && l.rows[0].Compare(k) <= 0`, `true`},
	{"a look-back that cannot be seen is a gap", "Upstream", "read.go",
		`case !w.complete:`, `case false:`},
	{"a tail that is not heard from stops vouching", "Commits", "feed/feed.go",
		`now.Sub(c.heard) <= heardWithin && now.Sub(read)`, `now.Sub(read)`},
	{"a tail that is not heard from does not stretch the bound", "Commits", "feed/feed.go",
		`f.chain.Load() != nil && f.Lag() <= heardWithin`, `f.chain.Load() != nil`},
	{"a tail vouches only for what was read since its looks are unbroken", "Commits", "feed/feed.go",
		`c == nil || read.Before(c.since)`, `c == nil`},
	{"a look that does not know begins anew", "Commits", "feed/feed.go",
		`last != nil && !changes.Unknown`, `last != nil`},
	{"a tail vouches no longer than it may", "Window", "feed/feed.go",
		`<= heardWithin && now.Sub(read) <= f.options.Tail.Vouches()`, `<= heardWithin`},
	{"a change is forgotten in the shared cache too", "Commits", "latest/reader.go",
		`if r.Shared != nil && !r.Shared.Forget(ctx, users...) {`, `if false {`},
	{"a bare id is answered from the cache only once its item is old", "Rows", "latest.go",
		`l.ID != 0 && l.Aged`, `l.ID != 0`},
	{"a bare id sends the last 30 s again", "Rows", "read.go",
		`span = BareLookBack
	default:`, `return nil, nil
	default:`},
}

// TestMutations takes away one rule after the other and expects a model to fail.
// That takes minutes; without the variable it only sees that each rule still
// stands where the table says:
//
//	SLUICE_MUTATIONS=1 go test ./backend/modeltest -run Mutations -v -timeout 60m
func TestMutations(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.rule, func(t *testing.T) {
			overlay := mutate(t, filepath.Join("..", m.file), m.old, m.new)
			if os.Getenv("SLUICE_MUTATIONS") == "" {
				return
			}
			out, err := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-failfast", "-timeout=20m", "-run=^TestModel"+m.model+"$",
				".", "-rapid.checks=10000", "-rapid.nofailfile", "-rapid.shrinktime=0s").CombinedOutput()
			failed := regexp.MustCompile(`--- FAIL: (\w+)`).FindSubmatch(out)
			after := regexp.MustCompile(`failed after (\d+) tests?: (.*)`).FindSubmatch(out)
			if err == nil || failed == nil || after == nil {
				t.Fatalf("no model fails without this rule:\n%s", out)
			}
			t.Logf("%s after %s runs: %s", failed[1], after[1], after[2])
		})
	}
}

// mutate makes an overlay in which a file has other text in one place.
func mutate(t *testing.T, file, old, replacement string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), old); n != 1 {
		t.Fatalf("%s: the rule stands there %d times", file, n)
	}
	mutant := filepath.Join(t.TempDir(), filepath.Base(file))
	write(t, mutant, []byte(strings.Replace(string(text), old, replacement, 1)))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	name := mutant + ".json"
	write(t, name, overlay)
	return name
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(fmt.Errorf("write: %w", err))
	}
}
