package config

import "reflect"

// Changes names the keys whose values differ between two configurations: those that
// a running gateway takes over, and those that need a new start.
func Changes(from, to Config) (hot, cold []string) {
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	for _, o := range options {
		before, after := a.FieldByIndex(o.field).Interface(), b.FieldByIndex(o.field).Interface()
		if o.fileOf != "" || reflect.DeepEqual(before, after) {
			continue
		}
		if o.reloaded(before, after) {
			hot = append(hot, o.key)
		} else {
			cold = append(cold, o.key)
		}
	}
	return hot, cold
}

// Reload is from with the new values of all keys that can be reloaded.
func Reload(from, to Config) Config {
	a, b := reflect.ValueOf(&from).Elem(), reflect.ValueOf(to)
	for _, o := range options {
		before, after := a.FieldByIndex(o.field), b.FieldByIndex(o.field)
		if o.reloaded(before.Interface(), after.Interface()) {
			before.Set(after)
		}
	}
	return from
}

// reloaded reports whether a running gateway can go from one value to the other.
func (o option) reloaded(before, after any) bool {
	a, _ := before.(Secret)
	b, _ := after.(Secret)
	return o.hot == "true" || o.hot == "set" && a.Value() != "" && b.Value() != ""
}
