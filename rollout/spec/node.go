package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// field is one value of the file, and where it stands.
type field struct {
	place string   // like spec.steps[0].setWeight; empty for the whole file
	key   ast.Node // what to point at where there is no value; nil in a list
	value ast.Node
}

// reader turns nodes into values and collects what is wrong. After an error its
// methods give some value of their type: what is read on is for further errors only.
type reader struct {
	file   string
	at     map[string]field // by place, for errors about several fields
	faults []fault
}

// fault is one thing that is wrong; without a line it is about the whole file.
type fault struct {
	line, column int
	text         string
}

// err joins the faults in the order of the text.
func (r *reader) err() error {
	slices.SortStableFunc(r.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var errs []error
	for _, f := range r.faults {
		where := r.file
		if f.line > 0 {
			where = fmt.Sprintf("%s:%d:%d", r.file, f.line, f.column)
		}
		errs = append(errs, fmt.Errorf("%s: %s", where, f.text))
	}
	return errors.Join(errs...)
}

// root is the file's mapping. Duplicate keys are found later, by object: the
// parser would stop at the first.
func (r *reader) root(content string) (field, bool) {
	content = strings.TrimPrefix(content, "\ufeff") // the byte order mark of some editors
	if !utf8.ValidString(content) {
		r.faults = append(r.faults, fault{text: "not UTF-8 text"})
		return field{}, false
	}
	parsed, err := parser.ParseBytes([]byte(content), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.faults = append(r.faults, syntaxFault(err))
		return field{}, false
	}
	var top *ast.MappingNode
	for _, doc := range parsed.Docs {
		switch body := doc.Body.(type) {
		case nil: // nothing but comments
		case *ast.MappingNode:
			if top != nil {
				r.fail(field{value: body}, "a second document; keep one")
				return field{}, false
			}
			top = body
		case *ast.DirectiveNode:
			r.fail(field{value: body}, "directives are not supported; take this line out")
			return field{}, false
		default:
			r.fail(field{value: body}, "must start with apiVersion: %s", APIVersion)
			return field{}, false
		}
	}
	if top == nil {
		r.faults = append(r.faults, fault{text: "is empty; must start with apiVersion: " + APIVersion})
		return field{}, false
	}
	return field{value: top}, true
}

func syntaxFault(err error) fault {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		at := e.GetToken().Position
		return fault{line: at.Line, column: at.Column, text: "not valid YAML: " + e.GetMessage()}
	}
	return fault{text: "not valid YAML"}
}

// fail notes what is wrong with f.
func (r *reader) fail(f field, format string, args ...any) {
	at := f.pointer().GetToken().Position
	place := f.place
	if place != "" {
		place += ": "
	}
	r.faults = append(r.faults, fault{line: at.Line, column: at.Column, text: place + fmt.Sprintf(format, args...)})
}

// pointer is the node whose place in the text an editor should show.
func (f field) pointer() ast.Node {
	switch n := f.value.(type) {
	case nil:
		return f.key
	case *ast.NullNode: // may have no place in the text
		if f.key != nil {
			return f.key
		}
	case *ast.MappingNode: // its own token is a colon, unless it is in braces
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key
		}
	}
	return f.value
}

// entry is a key that an object may have, and what reads its value.
type entry struct {
	key  string
	read func(field)
}

// object reads a mapping, in the order of entries, and gives the fields it has.
func (r *reader) object(f field, entries ...entry) map[string]field {
	mapping, ok := f.value.(*ast.MappingNode)
	if !ok {
		r.fail(f, "must have keys: %s%s", allowed(entries), hint(f.value))
		return nil
	}
	has := map[string]field{}
	for _, v := range mapping.Values {
		r.entry(f, v, entries, has)
	}
	for _, e := range entries {
		if kid, ok := has[e.key]; ok {
			e.read(kid)
		}
	}
	return has
}

// entry notes one key of a mapping in has.
func (r *reader) entry(f field, v *ast.MappingValueNode, entries []entry, has map[string]field) {
	name, ok := v.Key.(*ast.StringNode)
	if !ok {
		r.fail(field{place: f.place, key: v.Key}, "a key must be a plain name, without anchor, alias, tag or merge")
		return
	}
	kid := field{place: strings.TrimPrefix(f.place+"."+printable(name.Value), "."), key: name, value: v.Value}
	_, twice := has[name.Value]
	switch {
	case twice:
		r.fail(field{place: kid.place, key: name}, "duplicate key")
	case !slices.ContainsFunc(entries, func(e entry) bool { return e.key == name.Value }):
		r.fail(field{place: kid.place, key: name}, "unknown key; allowed: %s", allowed(entries))
	default:
		has[name.Value], r.at[kid.place] = kid, kid
	}
}

// printable keeps a key from breaking the line of an error.
func printable(key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(key)
	}
	return key
}

// allowed is the keys of entries, for an error.
func allowed(entries []entry) string {
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.key)
	}
	return strings.Join(keys, ", ")
}

// list reads the items of a list.
func (r *reader) list(f field, of string) []field {
	sequence, ok := f.value.(*ast.SequenceNode)
	if !ok || len(sequence.Values) == 0 {
		r.fail(f, "must be a list of at least one %s%s", of, hint(f.value))
		return nil
	}
	var items []field
	for i, value := range sequence.Values {
		items = append(items, field{place: fmt.Sprintf("%s[%d]", f.place, i), key: f.key, value: value})
	}
	return items
}

// hint adds to an error why what looks like the right thing is not.
func hint(n ast.Node) string {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		return "; anchors and aliases are not supported, write the value out"
	case *ast.TagNode:
		return "; tags are not supported, write the value alone"
	}
	return ""
}
