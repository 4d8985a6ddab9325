package rollout

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// load turns the text of the flag file at path into flags by name. Its errors say
// path, line and column the way editors and terminals turn into a link.
func load(path string, text []byte) (map[string]*flag, error) {
	flags, err := parse(text)
	if f, ok := errors.AsType[*fault](err); ok {
		line, column := f.lineColumn(text)
		return nil, fmt.Errorf("flag file %s:%d:%d: %w", path, line, column, f)
	}
	return flags, err
}

// parse does so for load. Its errors are faults.
func parse(text []byte) (map[string]*flag, error) {
	root, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	top, err := root.fields("flags", "metadata", "$schema")
	if err != nil {
		return nil, err
	}
	if top["flags"] == nil {
		return nil, root.faultf(`"flags" is missing`)
	}
	var known []string
	for _, d := range definitions {
		known = append(known, d.key)
	}
	fields, err := top["flags"].fields(known...)
	if err != nil {
		return nil, err
	}
	flags := map[string]*flag{}
	for _, d := range definitions {
		if fields[d.key] == nil {
			continue
		}
		if flags[d.key], err = parseFlag(d, fields[d.key]); err != nil {
			return nil, err
		}
	}
	return flags, nil
}

func parseFlag(d definition, n *node) (*flag, error) {
	fields, err := n.fields("state", "variants", "defaultVariant", "targeting", "metadata")
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"state", "variants", "defaultVariant"} {
		if fields[key] == nil {
			return nil, n.faultf("%q is missing", key)
		}
	}
	f := &flag{key: d.key}
	if f.disabled, err = parseState(fields["state"]); err != nil {
		return nil, err
	}
	vs, err := parseVariants(d, fields["variants"])
	if err != nil {
		return nil, err
	}
	preset, err := vs.named(fields["defaultVariant"])
	if err != nil {
		return nil, err
	}
	return f, vs.target(f, preset, fields["targeting"])
}

func parseState(n *node) (disabled bool, err error) {
	switch n.value {
	case "ENABLED":
		return false, nil
	case "DISABLED":
		return true, nil
	}
	return false, n.faultf("must be ENABLED or DISABLED")
}

// variants are a flag's values by their names in the file.
type variants map[string]string

func parseVariants(d definition, n *node) (variants, error) {
	kids, ok := n.value.(object)
	if !ok || len(kids) == 0 {
		return nil, n.faultf("must be an object that gives names to %s", strings.Join(d.values, ", "))
	}
	vs := variants{}
	for _, kid := range kids {
		value, ok := kid.value.(string)
		if !ok || !d.allows(value) {
			return nil, kid.faultf("must be one of %s", strings.Join(d.values, ", "))
		}
		if kid.key == "" || strings.ContainsFunc(kid.key, lostInFlagd) {
			return nil, kid.faultf(`a variant needs a name without " \ < > & and control characters; flagd could not answer with it`)
		}
		vs[kid.key] = value
	}
	return vs, nil
}

// lostInFlagd tells the characters that encoding/json escapes: flagd compares a
// variant's name with its escaped form, and so does not find it.
func lostInFlagd(r rune) bool {
	return r < ' ' || strings.ContainsRune("\"\\<>&\u2028\u2029", r)
}

// named reads the name of a variant.
func (vs variants) named(n *node) (variant, error) {
	name, ok := n.value.(string)
	if value, known := vs[name]; ok && known {
		return variant{name: name, value: value}, nil
	}
	return variant{}, n.faultf("must name a variant: %s", vs)
}

func (vs variants) String() string {
	return strings.Join(slices.Sorted(maps.Keys(vs)), ", ")
}
