package config

import "reflect"

// Changes names the keys whose values differ between two configurations: those that
// a running gateway takes over, and those that need a new start.
func Changes(from, to Config) (hot, cold []string) {
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	for _, o := range options {
		if o.fileOf != "" || reflect.DeepEqual(a.FieldByIndex(o.field).Interface(), b.FieldByIndex(o.field).Interface()) {
			continue
		}
		if o.hot {
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
		if o.hot {
			a.FieldByIndex(o.field).Set(b.FieldByIndex(o.field))
		}
	}
	return from
}
