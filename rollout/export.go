package rollout

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Export is the flag file at path with a heading in place of its own weights and
// defaults: who reads it decides for every user as [Flags.Steer] does with that file.
// Lists of users, states and all else stay; only the lay-out is our own.
func Export(path string, h Heading) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read flag file: %w", err)
	}
	if _, err := load(path, text); err != nil {
		return nil, err
	}
	root, err := parseJSON(text)
	if err != nil {
		return nil, err // load would have said so
	}
	flags := root.child("flags")
	flags.flag(TransportFlag, transportFlag).steer(h)
	flags.flag(StreamFlag, streamFlag).steer(h)
	var out strings.Builder
	root.write(&out, "")
	return []byte(out.String() + "\n"), nil
}

// child returns the value of a key of an object; nil when there is none.
func (n *node) child(key string) *node {
	for _, kid := range n.value.(object) {
		if kid.key == key {
			return kid
		}
	}
	return nil
}

// set gives a key of an object a value.
func (n *node) set(key string, value any) *node {
	if kid := n.child(key); kid != nil {
		kid.value = value
		return kid
	}
	kid := &node{parent: n, key: key, value: value}
	n.value = append(n.value.(object), kid)
	return kid
}

// remove takes a key out of an object.
func (n *node) remove(key string) {
	n.value = slices.DeleteFunc(n.value.(object), func(kid *node) bool { return kid.key == key })
}

// exported is one flag of a file that is written anew.
type exported struct {
	*node
	of definition
}

// flag is that of a name. One that the file does not have is added, as it is
// without a file.
func (n *node) flag(name string, d definition) exported {
	f := n.child(name)
	if f == nil {
		f = n.set(name, object(nil))
		f.set("state", "ENABLED")
		f.set("variants", object(nil))
		e := exported{f, d}
		f.set("defaultVariant", e.variant(d.safe))
	}
	return exported{f, d}
}

// variant is the name of the variant that stands for a value; if there is none, it
// is added.
func (e exported) variant(value string) string {
	variants := e.child("variants")
	for _, kid := range variants.value.(object) {
		if kid.value == value {
			return kid.key
		}
	}
	name := value
	for variants.child(name) != nil {
		name += "-"
	}
	variants.set(name, value)
	return name
}

// others is what the flag is to say of users whom it does not name.
func (e exported) others(h Heading) any {
	if e.of.key == StreamFlag {
		return e.variant(string(h.Stream))
	}
	return object{{key: "fractional", value: list{e.weighted(Poll, h.Weight), e.weighted(SSE, 100-h.Weight)}}}
}

// steer puts that in the place of what it says.
func (e exported) steer(h Heading) {
	others, targeting := e.others(h), e.child("targeting")
	if targeting != nil {
		if kids, ok := targeting.value.(object); ok && len(kids) == 1 && kids[0].key == "if" {
			chain := kids[0].value.(list)
			chain = chain[:len(chain)-len(chain)%2] // without its else
			kids[0].value = append(slices.Clone(chain), &node{value: others})
			return
		}
		e.remove("targeting")
	}
	if name, ok := others.(string); ok {
		e.set("defaultVariant", name)
		return
	}
	e.set("targeting", others)
}

func (e exported) weighted(t Transport, weight int) *node {
	return &node{value: list{{value: e.variant(string(t))}, {value: json.Number(strconv.Itoa(weight))}}}
}

// lineWidth is the longest line that is worth a look, in bytes.
const lineWidth = 150

// write writes a node as JSON, behind an indent: on one line if that is short.
func (n *node) write(out *strings.Builder, indent string) {
	var begin, end string
	var kids []*node
	switch v := n.value.(type) {
	case object:
		begin, end, kids = "{", "}", v
	case list:
		begin, end, kids = "[", "]", v
	default:
		out.WriteString(quoted(v))
		return
	}
	if line := n.line(); len(indent)+len(line) <= lineWidth {
		out.WriteString(line)
		return
	}
	out.WriteString(begin)
	for i, kid := range kids {
		out.WriteString(strings.Repeat(",", min(i, 1)) + "\n" + indent + "  ")
		if begin == "{" {
			out.WriteString(quoted(kid.key) + ": ")
		}
		kid.write(out, indent+"  ")
	}
	out.WriteString("\n" + indent + end)
}

// line is a node as JSON on one line.
func (n *node) line() string {
	var parts []string
	switch v := n.value.(type) {
	case object:
		for _, kid := range v {
			parts = append(parts, quoted(kid.key)+": "+kid.line())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case list:
		for _, kid := range v {
			parts = append(parts, kid.line())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return quoted(v)
	}
}

// quoted is a key or a scalar as JSON.
func quoted(scalar any) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(scalar); err != nil {
		panic(err) // what was parsed can be written
	}
	return strings.TrimSuffix(out.String(), "\n")
}
