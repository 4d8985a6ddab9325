package rollout

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
)

const alice = "alice"

// told records what OnEvaluation hears.
func told(heard *[]string) Options {
	return Options{OnEvaluation: func(flag, variant, reason string) {
		*heard = append(*heard, flag+" "+variant+" "+reason)
	}}
}

func TestAnswers(t *testing.T) {
	const file = `{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "metadata": {"team": "web"},
  "flags": {
    "notifications-transport": {
      "state": "ENABLED", "metadata": {"since": 1},
      "variants": {"old": "sse", "new": "poll"}, "defaultVariant": "old",
      "targeting": {"if": [
        {"in": [{"var": "targetingKey"}, ["alice", "bob"]]}, "new",
        {"==": [{"var": "targetingKey"}, "bob"]}, "old",
        {"==": [{"var": "targetingKey"}, "carol"]}, {"fractional": [["new", 0], ["old"]]},
        "new"]}
    },
    "legacy-stream": {
      "state": "ENABLED",
      "variants": {"upstream": "upstream", "bridge": "bridge", "retired": "retired"},
      "defaultVariant": "bridge", "targeting": {}
    }
  }
}`
	for _, tc := range []struct {
		name, file, user string
		transport        string // value and reason
		stream           string
	}{
		{"in the list", file, alice, "poll targeting_match", "bridge static"},
		{"the first match wins", file, "bob", "poll targeting_match", "bridge static"},
		{"by split", file, "carol", "sse split", "bridge static"},
		{"else", file, "dave", "poll targeting_match", "bridge static"},
		{"an empty user", file, "", "sse default", "upstream default"},
		{"no else", transportFile(`{"if": [{"in": [{"var": "targetingKey"}, []]}, "poll"]}`), alice, "sse default", "upstream default"},
		{"split at the top", everybody(Poll), alice, "poll split", "upstream default"},
		{"targeting null", transportFile(`null`), alice, "sse static", "upstream default"},
		{"no flags", `{"flags": {}}`, alice, "sse default", "upstream default"},
		{"disabled", strings.ReplaceAll(file, "ENABLED", "DISABLED"), alice, "sse disabled", "upstream disabled"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard []string
			f := open(t, writeFlags(t, tc.file), told(&heard))
			transport, stream := f.Transport(t.Context(), tc.user), f.Stream(t.Context(), tc.user)
			want := []string{"notifications-transport " + tc.transport, "legacy-stream " + tc.stream}
			if diff := cmp.Diff(want, heard); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			// The answer is what was told.
			if !strings.HasPrefix(tc.transport, string(transport)+" ") || !strings.HasPrefix(tc.stream, string(stream)+" ") {
				t.Errorf("answers %s and %s, want %s and %s", transport, stream, tc.transport, tc.stream)
			}
			if !f.Named() {
				t.Error("Named() = false with a file")
			}
		})
	}
}

func TestWithoutAFileEverybodyPolls(t *testing.T) {
	var heard []string
	f := open(t, "", told(&heard))
	for _, user := range []string{alice, ""} {
		f.Transport(t.Context(), user)
		f.Stream(t.Context(), user)
	}
	each := []string{"notifications-transport poll static", "legacy-stream bridge static"}
	if diff := cmp.Diff(append(each, each...), heard); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if f.Named() {
		t.Error("Named() = true without a file")
	}
	if err := Check(""); err != nil {
		t.Errorf("Check of no file: %v", err)
	}
}

func TestGatewaysShareNothing(t *testing.T) {
	a := open(t, writeFlags(t, everybody(Poll)), Options{})
	b := open(t, writeFlags(t, everybody(SSE)), Options{})
	if got := a.Transport(t.Context(), alice); got != Poll {
		t.Errorf("first gateway: %s, want poll", got)
	}
	if got := b.Transport(t.Context(), alice); got != SSE {
		t.Errorf("second gateway: %s, want sse", got)
	}
}

func TestABadFileIsRefusedAtStart(t *testing.T) {
	for name, path := range map[string]string{
		"missing": t.TempDir() + "/none.json",
		"empty":   writeFlags(t, ""),
		"a list":  writeFlags(t, "[]"),
	} {
		_, openErr := Open(path, Options{})
		checkErr := Check(path)
		for call, err := range map[string]error{"Open": openErr, "Check": checkErr} {
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s of a file that is %s: %v, want an error with its path", call, name, err)
			}
		}
	}
	if err := Check(writeFlags(t, everybody(Poll))); err != nil {
		t.Errorf("Check of a good file: %v", err)
	}
}

// Any other provider may take our place, and may answer anything.
func TestOtherProviders(t *testing.T) {
	only := func(value any, state memprovider.State) openfeature.FeatureProvider {
		return memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
			TransportFlag: {Key: TransportFlag, State: state, DefaultVariant: "v", Variants: map[string]any{"v": value}},
		})
	}
	for _, tc := range []struct {
		name     string
		provider openfeature.FeatureProvider
		want     string
	}{
		{"a known value", only("poll", memprovider.Enabled), "poll static"},
		{"an unknown value", only("carrier-pigeon", memprovider.Enabled), "sse error"},
		{"a value of the other flag", only("bridge", memprovider.Enabled), "sse error"},
		{"not a string", only(true, memprovider.Enabled), "sse error"},
		{"disabled", only("poll", memprovider.Disabled), "sse disabled"},
		{"no such flag", memprovider.NewInMemoryProvider(nil), "sse error"},
		{"a reason of its own", ownReason{}, "poll unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard []string
			f, err := newFlags(tc.provider, nil, told(&heard))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(f.Close)
			got := f.Transport(t.Context(), alice)
			if diff := cmp.Diff([]string{TransportFlag + " " + tc.want}, heard); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if value, _, _ := strings.Cut(tc.want, " "); string(got) != value {
				t.Errorf("Transport = %s, want %s", got, value)
			}
		})
	}
}

type ownReason struct{ openfeature.NoopProvider }

func (ownReason) StringEvaluation(context.Context, string, string, openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return resolved(variant{name: "poll", value: "poll"}, "PHASE_OF_THE_MOON")
}

type neverReady struct {
	openfeature.NoopProvider
	shut bool
}

var errNotToday = errors.New("not today")

func (*neverReady) Init(openfeature.EvaluationContext) error { return errNotToday }
func (p *neverReady) Shutdown()                              { p.shut = true }

func TestAProviderThatCannotStart(t *testing.T) {
	var p neverReady
	if _, err := newFlags(&p, nil, Options{}); !errors.Is(err, errNotToday) {
		t.Errorf("newFlags: %v, want %v", err, errNotToday)
	}
	if !p.shut {
		t.Error("not shut down")
	}
}

// The file holds strings only; whoever asks for another type is told so.
func TestOtherTypesAreRefused(t *testing.T) {
	c := open(t, writeFlags(t, everybody(Poll)), Options{}).client
	user := openfeature.NewEvaluationContext(alice, nil)
	_, boolErr := c.BooleanValue(t.Context(), TransportFlag, true, user)
	_, intErr := c.IntValue(t.Context(), TransportFlag, 1, user)
	_, floatErr := c.FloatValue(t.Context(), TransportFlag, 1, user)
	_, objectErr := c.ObjectValue(t.Context(), TransportFlag, nil, user)
	for kind, err := range map[string]error{"bool": boolErr, "int": intErr, "float": floatErr, "object": objectErr} {
		if err == nil || !strings.Contains(err.Error(), string(openfeature.TypeMismatchCode)) {
			t.Errorf("%s: %v, want %s", kind, err, openfeature.TypeMismatchCode)
		}
	}
	if v, err := c.StringValueDetails(t.Context(), TransportFlag, "", user); v.Variant != "poll" || err != nil {
		t.Errorf("string: variant %q, error %v", v.Variant, err)
	}
}

func TestEachEvaluation(t *testing.T) {
	seen := map[[3]string]int{}
	EachEvaluation(func(flag, variant, reason string) { seen[[3]string{flag, variant, reason}]++ })
	// 2 + 3 values, 7 reasons.
	if len(seen) != 35 {
		t.Errorf("%d combinations, want 35", len(seen))
	}
	for _, want := range [][3]string{
		{"notifications-transport", "poll", "split"},
		{"notifications-transport", "sse", "unknown"},
		{"legacy-stream", "retired", "targeting_match"},
		{"legacy-stream", "upstream", "default"},
	} {
		if seen[want] != 1 {
			t.Errorf("%v visited %d times, want once", want, seen[want])
		}
	}
}

func BenchmarkTransport(b *testing.B) {
	for name, path := range map[string]string{
		"no file": "",
		"split":   writeFlags(b, transportFile(`{"fractional": [["poll", 10], ["sse", 90]]}`)),
		"listed":  writeFlags(b, transportFile(`{"if": [{"in": [{"var": "targetingKey"}, [`+manyUsers(10_000)+`]]}, "poll", "sse"]}`)),
	} {
		b.Run(name, func(b *testing.B) {
			f := open(b, path, Options{})
			b.ReportAllocs()
			for b.Loop() {
				f.Transport(b.Context(), "user-77")
			}
		})
	}
}

// What is ours in the above; the rest is the SDK's.
func BenchmarkEvaluate(b *testing.B) {
	flags, err := parse([]byte(transportFile(`{"if": [{"in": [{"var": "targetingKey"}, [` + manyUsers(10_000) + `]]}, "poll", {"fractional": [["poll", 10], ["sse", 90]]}]}`)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		flags[TransportFlag].evaluate("nobody-in-the-list", nil)
	}
}

func manyUsers(n int) string {
	users := make([]string, n)
	for i := range users {
		users[i] = `"` + userName(i) + `"`
	}
	return strings.Join(users, ", ")
}
