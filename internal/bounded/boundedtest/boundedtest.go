// Package boundedtest looks at what is kept in a bounded.Map.
package boundedtest

import (
	"reflect"
	"testing"
)

// NoPointers fails the test if a V has a pointer: of a million, the garbage collector would
// have to follow it.
func NoPointers[V any](t testing.TB) {
	t.Helper()
	if v := reflect.TypeFor[V](); HasPointers(v) {
		t.Errorf("%s has pointers", v)
	}
}

// HasPointers tells whether a type has pointers, as far as its kinds are known here.
func HasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if HasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return HasPointers(t.Elem())
	case reflect.Bool, reflect.Int64, reflect.Uint64, reflect.Uint32, reflect.Uint8:
		return false
	}
	return true
}
