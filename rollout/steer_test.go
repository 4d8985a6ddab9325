package rollout

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/internal/bounded/boundedtest"
)

// Precedence: a disabled flag, then the file's lists of users, then the
// controller, then the file's own weights.
func TestSteer(t *testing.T) {
	const file = `{"flags": {
  "notifications-transport": {"state": "ENABLED", "variants": {"sse": "sse", "poll": "poll"}, "defaultVariant": "sse",
    "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["alice"]]}, "poll", {"in": [{"var": "targetingKey"}, ["bob"]]}, "sse", {"fractional": [["poll", 50], ["sse", 50]]}]}},
  "legacy-stream": {"state": "ENABLED", "variants": {"upstream": "upstream", "bridge": "bridge", "retired": "retired"}, "defaultVariant": "upstream",
    "targeting": {"if": [{"in": [{"var": "targetingKey"}, ["bob"]]}, "upstream", "upstream"]}}}}`
	nobody, all := &Heading{0, Bridge}, &Heading{100, Retired}
	for _, tc := range []struct {
		name, file, user string
		heading          *Heading
		want             string
	}{
		{"listed for poll, steered away", file, alice, nobody, "poll bridge"},
		{"listed for sse, steered to poll", file, "bob", all, "sse upstream"},
		{"not listed, nobody polls", file, "carol", nobody, "sse bridge"},
		{"not listed, all poll", file, "carol", all, "poll retired"},
		{"an empty user", file, "", all, "sse upstream"},
		{"disabled", strings.ReplaceAll(file, "ENABLED", "DISABLED"), "carol", all, "sse upstream"},
		{"a file that says nothing", `{"flags": {}}`, "carol", all, "poll retired"},
		{"nobody steers", file, "carol", nil, "poll upstream"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags := openText(t, tc.file)
			flags.Steer(&Heading{37, Upstream})
			flags.Steer(tc.heading)
			ctx := context.Background()
			if got := string(flags.Transport(ctx, tc.user)) + " " + string(flags.Stream(ctx, tc.user)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// A steered weight is a weight of the file: users keep their side.
func TestSteerIsAWeightOfTheFile(t *testing.T) {
	byFile, steered := openText(t, transportFile(`{"fractional": [["poll", 37], ["sse", 63]]}`)), openText(t, `{"flags": {}}`)
	steered.Steer(&Heading{37, Bridge})
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.String().Draw(t, "user")
		want, got := byFile.Transport(context.Background(), user), steered.Transport(context.Background(), user)
		if got != want {
			t.Fatalf("%q is on %s, by the file on %s", user, got, want)
		}
	})
}

func TestSteerWithoutAFile(t *testing.T) {
	flags, err := Open("", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer flags.Close()
	flags.Steer(&Heading{0, Upstream})
	if got := flags.Transport(context.Background(), alice); got != Poll {
		t.Errorf("steered to %s where there is nothing to steer", got)
	}
}

func openText(t *testing.T, text string) *Flags {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flags.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(flags.Close)
	return flags
}

// Who was answered before is answered anew, at once.
func TestAHeadingIsInForceAtOnce(t *testing.T) {
	f := open(t, writeFlags(t, everybody(SSE)), Options{})
	for _, h := range []*Heading{nil, {Weight: 100, Stream: Bridge}, {Weight: 0, Stream: Bridge}, {Weight: 100, Stream: Retired}, nil} {
		want := SSE
		if h != nil && h.Weight == 100 {
			want = Poll
		}
		f.Steer(h)
		for range 2 {
			if got := f.Transport(t.Context(), alice); got != want {
				t.Errorf("%+v: %s, want %s", h, got, want)
			}
		}
	}
}

// Every poll asks, so asking again makes no garbage, and what is remembered is none of the collector's work.
func TestAskingAgainAllocatesNothing(t *testing.T) {
	f := open(t, writeFlags(t, everybody(Poll)), Options{})
	if n := testing.AllocsPerRun(100, func() { f.Transport(t.Context(), alice) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	boundedtest.NoPointers[kept](t)
}
