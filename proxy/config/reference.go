package config

import (
	"fmt"
	"strings"
)

// Reference is a Markdown table of every key with its default, its environment variable and what it does, in the order of
// [Config].
func Reference() string {
	var b strings.Builder
	b.WriteString("| Key | Default | Environment variable | What it does |\n|---|---|---|---|\n")
	for _, o := range options {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", o.key, o.shownDefault(), o.env, o.description())
	}
	return b.String()
}

func (o option) shownDefault() string {
	if o.fallback == "" {
		return ""
	}
	return "`" + o.fallback + "`"
}

// description is the documentation with what the other tags say.
func (o option) description() string {
	parts := []string{o.doc}
	if len(o.allowed) > 0 {
		kind := "One of"
		if o.list() {
			kind = "Any of"
		}
		parts = append(parts, kind+" "+code(o.allowed)+".")
	}
	if o.low != "" {
		parts = append(parts, fmt.Sprintf("From %s to %s.", o.low, o.high))
	}
	switch o.hot {
	case "true":
		parts = append(parts, "Reloaded.")
	case "set":
		parts = append(parts, "Reloaded, but for the first one, or none any more.")
	}
	return strings.Join(parts, " ")
}

func code(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }
