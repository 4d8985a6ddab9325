package flagdtest

import (
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"sluice/rollout"
)

// anyFile is the text of a flag file of all the kinds that Sluice takes.
func anyFile(t *rapid.T) string {
	var all []string
	if rapid.IntRange(0, 5).Draw(t, "has transport") > 0 {
		all = append(all, fmt.Sprintf("%q: %s", rollout.TransportFlag, anyFlag(t, "sse", "poll")))
	}
	if rapid.Bool().Draw(t, "has stream") {
		all = append(all, fmt.Sprintf("%q: %s", rollout.StreamFlag, anyFlag(t, "upstream", "bridge", "retired")))
	}
	head := rapid.SampledFrom([]string{"", `"$schema": "https://flagd.dev/schema/v0/flags.json", `, `"metadata": {"owner": "ops", "version": 3}, `}).Draw(t, "head")
	return "{" + head + `"flags": {` + strings.Join(all, ", ") + "}}"
}

func anyFlag(t *rapid.T, values ...string) string {
	names := rapid.SliceOfNDistinct(anyName(), len(values), len(values)+2, rapid.ID).Draw(t, "names")
	var variants []string
	for i, name := range names {
		variants = append(variants, quoted(name)+": "+quoted(values[i%len(values)]))
	}
	name := rapid.Map(rapid.SampledFrom(names), quoted)
	state := rapid.SampledFrom([]string{"ENABLED", "ENABLED", "ENABLED", "DISABLED"}).Draw(t, "state")
	return fmt.Sprintf(`{"state": %q, "variants": {%s}, "defaultVariant": %s%s}`, state, strings.Join(variants, ", "), name.Draw(t, "default"), anyTargeting(t, name))
}

func anyName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"sse", "poll", "upstream", "bridge", "retired", "on", "off", "null", "true", "1", "a b", " a", "ä", "新しい", "🙂", "{}", "[]"}),
		rapid.StringMatching(`[^"\\<>&\x00-\x1f\x7f-\x{a0}\x{2028}\x{2029}]{1,5}`))
}

func anyTargeting(t *rapid.T, name *rapid.Generator[string]) string {
	switch rapid.IntRange(0, 5).Draw(t, "targeting") {
	case 0:
		return ""
	case 1:
		return `, "targeting": ` + rapid.SampledFrom([]string{"null", "{}", "{ }"}).Draw(t, "none")
	case 2:
		return `, "targeting": ` + anySplit(t, name)
	}
	var chain []string
	for range rapid.IntRange(1, 4).Draw(t, "conditions") {
		chain = append(chain, anyCondition(t), anyResult(t, name))
	}
	if rapid.Bool().Draw(t, "else") {
		chain = append(chain, anyResult(t, name))
	}
	return `, "targeting": {"if": [` + strings.Join(chain, ", ") + `]}`
}

func anyCondition(t *rapid.T) string {
	user := rapid.OneOf(rapid.SampledFrom(users()), rapid.String())
	if rapid.Bool().Draw(t, "one user") {
		return `{"==": [{"var": "targetingKey"}, ` + quoted(user.Draw(t, "user")) + `]}`
	}
	list, err := json.Marshal(rapid.SliceOfN(user, 0, 20).Draw(t, "list"))
	if err != nil {
		t.Fatal(err)
	}
	return `{"in": [{"var": "targetingKey"}, ` + string(list) + `]}`
}

func anyResult(t *rapid.T, name *rapid.Generator[string]) string {
	if rapid.Bool().Draw(t, "split") {
		return anySplit(t, name)
	}
	return name.Draw(t, "result")
}

func anySplit(t *rapid.T, name *rapid.Generator[string]) string {
	weight := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 1<<28))
	parts := []string{fmt.Sprintf("[%s, %d]", name.Draw(t, "first"), rapid.IntRange(1, 100).Draw(t, "weight"))}
	for range rapid.IntRange(0, 5).Draw(t, "parts") {
		part := "[" + name.Draw(t, "part")
		if rapid.Bool().Draw(t, "weighted") {
			part += fmt.Sprint(", ", weight.Draw(t, "weight"))
		}
		parts = append(parts, part+"]")
	}
	return `{"fractional": [` + strings.Join(parts, ", ") + "]}"
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return string(text)
}
