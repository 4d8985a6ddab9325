package rollout

import (
	"strings"
	"testing"
)

// An error says path, line, column and place, and what is allowed.
func TestRefusals(t *testing.T) {
	const name = `a variant needs a name without " \ < > & and control characters; flagd could not answer with it`
	flag := func(from, to string) string { return strings.Replace(everybody(Poll), from, to, 1) }
	for _, tc := range []struct{ name, text, want string }{
		// JSON
		{"empty", "", `1:1: unexpected end of JSON input`},
		{"half written", "{\n  \"flags\"", `2:9: unexpected end of JSON input`},
		{"a comma too many", "{\"flags\": {},\n}", `2:1: invalid character '}' looking for beginning of object key string`},
		{"two values", `{} {}`, `1:4: invalid character '{' after top-level value`},
		{"after wide characters", `{"é": x}`, `1:7: invalid character 'x' looking for beginning of value`},
		{"not UTF-8", "{\"flags\xff\": {}}", `1:8: not UTF-8`},
		{"a key twice", "{\"flags\": {},\n \"flags\": {}}", `2:2: flags: comes twice; keep one`},
		{"a key twice under an escape", `{"flags": {"a": 1, "\u0061": 2}}`, `1:20: flags.a: comes twice; keep one`},
		// the file
		{"not an object", `[]`, `1:1: must be an object with flags, metadata, $schema`},
		{"no flags", `{}`, `1:1: "flags" is missing`},
		{"an unknown key", `{"flags": {}, "$evaluators": {}}`, `1:15: $evaluators: unknown key; allowed: flags, metadata, $schema`},
		{"flags not an object", `{"flags": 1}`, `1:2: flags: must be an object with notifications-transport, legacy-stream`},
		{"an unknown flag", `{"flags": {"transport": {}}}`, `1:12: flags.transport: unknown key; allowed: notifications-transport, legacy-stream`},
		// a flag
		{"a flag not an object", `{"flags": {"legacy-stream": "bridge"}}`, `1:12: flags.legacy-stream: must be an object with state, variants, defaultVariant, targeting, metadata`},
		{"no state", `{"flags": {"legacy-stream": {"variants": {}}}}`, `1:12: flags.legacy-stream: "state" is missing`},
		{"no variants at all", `{"flags": {"legacy-stream": {"state": "ENABLED"}}}`, `1:12: flags.legacy-stream: "variants" is missing`},
		{"no default variant", `{"flags": {"legacy-stream": {"state": "ENABLED", "variants": {}}}}`, `1:12: flags.legacy-stream: "defaultVariant" is missing`},
		{"an unknown state", flag("ENABLED", "enabled"), `2:3: flags.notifications-transport.state: must be ENABLED or DISABLED`},
		{"no variants", flag(`{"sse": "sse", "poll": "poll"}`, `{}`), `3:3: flags.notifications-transport.variants: must be an object that gives names to sse, poll`},
		{"a value of the other flag", flag(`"sse": "sse"`, `"sse": "bridge"`), `3:16: flags.notifications-transport.variants.sse: must be one of sse, poll`},
		{"a variant not a string", flag(`"sse": "sse"`, `"sse": true`), `3:16: flags.notifications-transport.variants.sse: must be one of sse, poll`},
		{"a variant without a name", flag(`"sse": "sse"`, `"": "sse"`), `3:16: flags.notifications-transport.variants.: ` + name},
		{"a variant named in markup", flag(`"sse": "sse"`, `"<sse>": "sse"`), `3:16: flags.notifications-transport.variants.<sse>: ` + name},
		{"a variant named in quotes", flag(`"sse": "sse"`, `"\"sse\"": "sse"`), `3:16: flags.notifications-transport.variants."sse": ` + name},
		{"a variant named over two lines", flag(`"sse": "sse"`, `"s\ne": "sse"`), "3:16: flags.notifications-transport.variants.s\ne: " + name},
		{"no such default", flag(`"defaultVariant": "sse"`, `"defaultVariant": "see"`), `4:3: flags.notifications-transport.defaultVariant: must name a variant: poll, sse`},
		{"a default not a string", flag(`"defaultVariant": "sse"`, `"defaultVariant": null`), `4:3: flags.notifications-transport.defaultVariant: must name a variant: poll, sse`},
		{"an unknown key of a flag", flag(`"targeting"`, `"targetting"`), `5:3: flags.notifications-transport.targetting: unknown key; allowed: state, variants, defaultVariant, targeting, metadata`},
		{"a bad flag that is disabled", strings.Replace(transportFile(`7`), "ENABLED", "DISABLED", 1), `5:3: flags.notifications-transport.targeting: must be an object with if, fractional`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load("flags.json", []byte(tc.text))
			if want := "flag file flags.json:" + tc.want; err == nil || err.Error() != want {
				t.Errorf("%s\n got: %v\nwant: %s", tc.text, err, want)
			}
		})
	}
}

// All of these stand in a transportFile, whose line 5 is the targeting.
func TestTargetingRefusals(t *testing.T) {
	const (
		users     = `{"in": [{"var": "targetingKey"}, ["alice"]]}`
		condition = `must be {"in": [{"var": "targetingKey"}, ["user", …]]} or {"==": [{"var": "targetingKey"}, "user"]}`
		result    = `must name a variant (poll, sse) or be a fractional split`
		part      = `must be ["variant", weight]; users are always split by targetingKey`
		weight    = `weight must be a whole number in 0..2147483647`
	)
	for _, tc := range []struct{ name, targeting, at, place, problem string }{
		// targeting
		{"a name", `"poll"`, "5:3", ``, `must be an object with if, fractional`},
		{"another operation", `{"sem_ver": []}`, "5:17", `.sem_ver`, `unknown key; allowed: if, fractional`},
		{"two operations", `{"if": [], "fractional": []}`, "5:3", ``, `must have one key, if or fractional`},
		{"if not a list", `{"if": "poll"}`, "5:17", `.if`, `must be a list: condition, result, …, else`},
		{"if without a result", `{"if": [` + users + `]}`, "5:17", `.if`, `must be a list: condition, result, …, else`},
		{"a result that is no variant", "{\"if\": [\n" + users + `, "pol"]}`, "6:47", `.if[1]`, result},
		{"an if in an if", `{"if": [` + users + `, {"if": []}]}`, "5:70", `.if[1]`, result},
		{"more than a split", `{"if": [` + users + `, {"fractional": [["poll"]], "cat": []}]}`, "5:70", `.if[1]`, result},
		{"an else that is null", `{"if": [` + users + `, "poll", null]}`, "5:78", `.if[2]`, result},
		{"a bad condition further on", `{"if": [` + users + `, "poll", true, "sse"]}`, "5:78", `.if[2]`, condition},
		{"another variable", `{"if": [{"in": [{"var": "email"}, ["a"]]}, "poll"]}`, "5:24", `.if[0]`, condition},
		{"another operation in a condition", `{"if": [{"!=": [{"var": "targetingKey"}, "a"]}, "poll"]}`, "5:24", `.if[0]`, condition},
		{"in a string", `{"if": [{"in": [{"var": "targetingKey"}, "alice"]}, "poll"]}`, "5:24", `.if[0]`, condition},
		{"one argument", `{"if": [{"in": [["alice"]]}, "poll"]}`, "5:24", `.if[0]`, condition},
		{"three arguments", `{"if": [{"==": [{"var": "targetingKey"}, "a", "b"]}, "poll"]}`, "5:24", `.if[0]`, condition},
		{"not a variable", `{"if": [{"==": [{"val": "targetingKey"}, "a"]}, "poll"]}`, "5:24", `.if[0]`, condition},
		{"a user not a string", `{"if": [{"in": [{"var": "targetingKey"}, ["a", 7]]}, "poll"]}`, "5:63", `.if[0].in[1][1]`, `must be a user id in quotes`},
		{"equal to a number", `{"if": [{"==": [{"var": "targetingKey"}, 7]}, "poll"]}`, "5:57", `.if[0].==[1]`, `must be a user id in quotes`},
		// fractional
		{"fractional not a list", `{"fractional": "poll"}`, "5:17", `.fractional`, `must be a list of ["variant", weight]`},
		{"bucketing by something else", `{"fractional": [{"var": "email"}, ["poll", 1]]}`, "5:32", `.fractional[0]`, part},
		{"three in a part", `{"fractional": [["poll", 1, 2]]}`, "5:32", `.fractional[0]`, part},
		{"a part without a name", `{"fractional": [[]]}`, "5:32", `.fractional[0]`, part},
		{"a part with another name", `{"fractional": [["pol", 1]]}`, "5:33", `.fractional[0][0]`, `must name a variant: poll, sse`},
		{"a negative weight", `{"fractional": [["poll", -1]]}`, "5:41", `.fractional[0][1]`, weight},
		{"half a weight", `{"fractional": [["poll", 0.5]]}`, "5:41", `.fractional[0][1]`, weight},
		{"a weight in quotes", `{"fractional": [["poll", "10"]]}`, "5:41", `.fractional[0][1]`, weight},
		{"a weight too large", `{"fractional": [["poll", 2147483648]]}`, "5:41", `.fractional[0][1]`, weight},
		{"a total too large", `{"fractional": [["poll", 2147483647], ["sse"]]}`, "5:17", `.fractional`, `weights must add up to 1..2147483647, not 2147483648`},
		{"no weight at all", `{"fractional": [["poll", 0], ["sse", 0]]}`, "5:17", `.fractional`, `weights must add up to 1..2147483647, not 0`},
		{"no parts", `{"fractional": []}`, "5:17", `.fractional`, `weights must add up to 1..2147483647, not 0`},
		{"in a result", `{"if": [` + users + `, {"fractional": [["poll", 0]]}]}`, "5:71", `.if[1].fractional`, `weights must add up to 1..2147483647, not 0`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load("flags.json", []byte(transportFile(tc.targeting)))
			want := "flag file flags.json:" + tc.at + ": flags.notifications-transport.targeting" + tc.place + ": " + tc.problem
			if err == nil || err.Error() != want {
				t.Errorf("%s\n got: %v\nwant: %s", tc.targeting, err, want)
			}
		})
	}
}

func TestTheLargestWeights(t *testing.T) {
	flags, err := load("flags.json", []byte(transportFile(`{"fractional": [["poll", 2147483646], ["sse"]]}`)))
	if err != nil {
		t.Fatal(err)
	}
	s := flags[TransportFlag].others.split
	if s[0].end != maxTotal-1 || s[1].end != maxTotal {
		t.Errorf("ends %d and %d, want %d and %d", s[0].end, s[1].end, maxTotal-1, maxTotal)
	}
}

// Whatever the file says, it is refused with a position inside it, or every
// user gets one of the flag's own values.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(everybody(Poll)), "alice")
	f.Add([]byte(transportFile(`{"if": [{"==": [{"var": "targetingKey"}, "a"]}, "poll", {"in": [{"var": "targetingKey"}, ["b"]]}, {"fractional": [["poll", 1], ["sse"]]}, "sse"]}`)), "b")
	f.Add([]byte(`{"flags": {"legacy-stream": {"state": "DISABLED", "variants": {"r": "retired"}, "defaultVariant": "r"}}}`), "")
	f.Add([]byte("{\"flags\": {\n\"a\": [1, {\"b\": -1e5}], \"\\u0061\": null"), "c")
	f.Fuzz(func(t *testing.T, text []byte, user string) {
		flags, err := parse(text)
		if err != nil {
			at, ok := err.(*fault)
			if !ok || at.offset < 0 || at.offset > len(text) {
				t.Fatalf("no position inside the text: %#v", err)
			}
			at.lineColumn(text)
			return
		}
		for _, d := range definitions {
			if flags[d.key] == nil {
				continue
			}
			if v, reason := flags[d.key].evaluate(user, nil); !d.allows(v.value) || label(reason) == "unknown" {
				t.Errorf("%s: %q is on %q because of %q", d.key, user, v.value, reason)
			}
		}
	})
}
