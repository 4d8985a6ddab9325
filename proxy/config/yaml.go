package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// readYAML reads the settings of a file. What is wrong in one place does not hide what is wrong, or right, in another.
func readYAML(file string) ([]setting, []error) {
	content, err := readFile(file)
	if err != nil {
		return nil, []error{err}
	}
	return flattenYAML(file, content)
}

// flattenYAML turns nested YAML into settings; file is only a name for origins. It takes values as they are written, whether
// YAML calls them numbers, booleans or strings: what a value must look like depends on its key. Anchors, aliases, merge keys,
// tags and directives are refused, so that what is written is all there is.
func flattenYAML(file, content string) ([]setting, []error) {
	content = strings.TrimPrefix(content, "\ufeff") // the byte order mark of some editors
	if !utf8.ValidString(content) {
		return nil, []error{fmt.Errorf("%s: not UTF-8 text", file)}
	}
	// Duplicate keys are found here rather than by the parser, which stops at the first.
	parsed, err := parser.ParseBytes([]byte(content), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []error{syntaxError(file, err)}
	}
	f := flattener{file: file}
	f.document(parsed)
	return f.settings, f.errs
}

// syntaxError drops the excerpt of the file that the parser's errors carry: it could show a secret.
func syntaxError(file string, err error) error {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		at := e.GetToken().Position
		return fmt.Errorf("%s:%d:%d: not valid YAML: %s", file, at.Line, at.Column, e.GetMessage())
	}
	return fmt.Errorf("%s: not valid YAML", file)
}

type flattener struct {
	file     string
	settings []setting
	errs     []error
}

func (f *flattener) origin(n ast.Node) string {
	at := n.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", f.file, at.Line, at.Column)
}

// fail notes an error at a node; key is "" above the first key.
func (f *flattener) fail(n ast.Node, key, format string, args ...any) {
	where := f.origin(n) + ": "
	if key != "" {
		where += key + ": "
	}
	f.errs = append(f.errs, errors.New(where+fmt.Sprintf(format, args...)))
}

func (f *flattener) document(parsed *ast.File) {
	for i, doc := range parsed.Docs {
		switch body := doc.Body.(type) {
		case nil: // nothing but comments
		case *ast.DirectiveNode:
			f.fail(body, "", "directives are not supported; take this line out")
			return
		case *ast.MappingNode:
			if i > 0 {
				f.fail(body, "", "a second document; keep one")
				return
			}
			f.mapping("", body)
		default:
			f.fail(body, "", "wants keys at the top, such as listen: 127.0.0.1:8080")
		}
	}
}

// mapping flattens the entries of a section; prefix is "" or ends in a dot.
func (f *flattener) mapping(prefix string, section *ast.MappingNode) {
	seen := map[string]bool{}
	for _, entry := range section.Values {
		name, ok := entry.Key.(*ast.StringNode)
		switch {
		case !ok:
			f.fail(entry.Key, strings.TrimSuffix(prefix, "."), "a key must be a plain name, without anchor, alias, tag or merge")
		case seen[name.Value]:
			f.fail(name, prefix+name.Value, "duplicate key")
		case strings.Contains(name.Value, "."):
			f.fail(name, prefix+name.Value, "a key has no dots here; write each part on a line of its own, indented")
		default:
			seen[name.Value] = true
			f.entry(prefix+name.Value, name, entry.Value)
		}
	}
}

func (f *flattener) entry(key string, name, value ast.Node) {
	switch {
	case isSection(key):
		if section, ok := value.(*ast.MappingNode); ok {
			f.mapping(key+".", section)
			return
		}
		f.fail(name, key, "wants keys below it; leave it out to keep the defaults")
	case !isKey(key):
		f.fail(name, key, "unknown key%s", didYouMean(key, keys()))
	default:
		f.leaf(key, name, value)
	}
}

// leaf notes the setting of a key that holds a value or a list of values.
func (f *flattener) leaf(key string, name, value ast.Node) {
	s := setting{key: key, origin: f.origin(value)}
	elements := []ast.Node{value}
	if list, ok := value.(*ast.SequenceNode); ok {
		s.list, elements = true, list.Values
	}
	for _, element := range elements {
		text, problem := scalar(element)
		if problem != "" {
			if element.Type() == ast.NullType { // which may have no place in the text
				element = name
			}
			f.fail(element, key, "%s", problem)
			return
		}
		s.texts = append(s.texts, text)
	}
	f.settings = append(f.settings, s)
}

// scalar is the text of a node that holds one value, or what is wrong with it.
func scalar(n ast.Node) (text, problem string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, ""
	case *ast.LiteralNode:
		return n.Value.Value, ""
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, ""
	case *ast.NullNode:
		return "", `has no value; write "" for an empty one`
	case *ast.AnchorNode, *ast.AliasNode:
		return "", "anchors and aliases are not supported; write the value out"
	case *ast.TagNode:
		return "", "tags are not supported; write the value alone"
	}
	return "", "wants a plain value"
}

func isKey(key string) bool {
	return slices.ContainsFunc(options, func(o option) bool { return o.key == key })
}

// isSection says whether key has keys below it.
func isSection(key string) bool {
	return slices.ContainsFunc(options, func(o option) bool { return strings.HasPrefix(o.key, key+".") })
}

// keys is every option's key and its section's, which may come up more than once.
func keys() []string {
	var all []string
	for _, o := range options {
		section, _, _ := strings.Cut(o.key, ".")
		all = append(all, section, o.key)
	}
	return all
}
