package flagdtest

import (
	"fmt"
	"strings"
)

// users are ids of many kinds: people's, machines', and such as break things.
func users() []string {
	all := []string{
		"", "alice", "bob", "carol", "Alice", "ALICE", "alice ", " alice", "a", "0", "1", "-1", "1e3", "007", "true", "false", "null", "undefined",
		"alice@example.com", "urn:user:42", "auth0|5f7c8ec7c33c6c004bbafe82", "a/b", "a?b=c&d", "%41", "a+b", "a.b", "a,b", "a:b", "[]", "{}", "$flagd", "$ref", `{"var":"targetingKey"}`, "__proto__",
		`"`, `\`, `\"`, `a"b`, `a\b`, "'", "<script>", "a&b", "\t", "\n", "a\nb", "\x00", "a\x00b", "\x7f", "\u2028", "\u2029", "\ufeff", "\ufffd", "\u00a0",
		"ä", "a\u0308", "é", "ß", "İ", "Ω", "Жук", "日本", "कि", "العربية", "\u202ealice", "👩‍👩‍👧", "🏳️‍🌈", "\U0010ffff", "𝒜",
		strings.Repeat("x", 1000), strings.Repeat("ж", 500), "headerColor", "poll", "sse", "notifications-transport",
	}
	for i := range 40 {
		i++
		all = append(all, fmt.Sprint(i*i*7919+1), fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i*40503))
	}
	return all
}
