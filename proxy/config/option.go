package config

import (
	"reflect"
	"slices"
	"strings"
)

// An option is a key that can be set. It is a leaf field of [Config], described by the field's tags:
//
//	key      this field's part of the key; the parts of nested structs are joined with dots
//	default  the default, written as in the environment
//	doc      what the key does, for Reference
//	allowed  the values it can have, by comma
//	range    the lowest and the highest value, "1s..1h"
//	check    a further test of the value, a name in checks
//	file     "true": there is also an option, with fileSuffix, that names a file with the value
//	hot      "true": a running gateway takes over a new value; "set": if there is one before and after
type option struct {
	key, env string
	fallback string // the default, as text
	doc      string
	allowed  []string
	low      string // "" if the option has no range
	high     string
	check    string
	hasFile  bool
	hot      string
	fileOf   string // the key whose value the file named here holds; "" for an option that holds its own
	field    []int
	typ      reflect.Type
}

// fileSuffix makes the key of a file form: auth.key_file holds the name of a file with auth.key.
const fileSuffix = "_file"

// options is every option, in the order of Config.
var options = walk(reflect.TypeFor[Config](), "", nil)

// walk collects the options below a struct whose key and field index are prefix and path.
func walk(t reflect.Type, prefix string, path []int) []option {
	var found []option
	for f := range t.Fields() {
		key, field := prefix+f.Tag.Get("key"), append(slices.Clone(path), f.Index...)
		if _, leaf := f.Tag.Lookup("default"); !leaf {
			found = append(found, walk(f.Type, key+".", field)...)
			continue
		}
		o := newOption(key, field, f)
		found = append(found, o)
		if o.hasFile {
			found = append(found, o.fileForm())
		}
	}
	return found
}

func newOption(key string, field []int, f reflect.StructField) option {
	low, high, _ := strings.Cut(f.Tag.Get("range"), "..")
	return option{
		key: key, env: envName(key), field: field, typ: f.Type,
		fallback: f.Tag.Get("default"), doc: f.Tag.Get("doc"),
		allowed: words(f.Tag.Get("allowed")),
		low:     low, high: high, check: f.Tag.Get("check"), hasFile: f.Tag.Get("file") == "true", hot: f.Tag.Get("hot"),
	}
}

// words is splitList, where an empty text has no parts.
func words(text string) []string {
	if text == "" {
		return nil
	}
	return splitList(text)
}

// fileForm is the option that names a file with the value of o.
func (o option) fileForm() option {
	o.doc = "File that holds " + o.key + ", relative to the working directory; a newline at its end does not count."
	o.fileOf, o.hasFile = o.key, false
	o.key += fileSuffix
	o.env, o.fallback = envName(o.key), ""
	return o
}

func (o option) list() bool { return o.typ.Kind() == reflect.Slice }

// defaults is the default as the texts that assign takes.
func (o option) defaults() []string {
	if o.list() {
		return words(o.fallback)
	}
	return []string{o.fallback}
}
