package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// assign puts a value into o's field of c: one text, or the texts of a list. Its errors do not name the key.
func (o option) assign(c *Config, texts []string) error {
	if o.fileOf != "" {
		content, err := readSecret(texts[0])
		if err != nil {
			return err
		}
		texts = []string{content}
	}
	if len(texts) == 0 && o.list() && o.fallback == "" {
		reflect.ValueOf(c).Elem().FieldByIndex(o.field).SetZero()
		return nil
	}
	if err := o.checkTexts(texts); err != nil {
		return err
	}
	value, err := o.parse(texts)
	if err != nil {
		return err
	}
	if err := o.checkRange(texts[0], value); err != nil {
		return err
	}
	reflect.ValueOf(c).Elem().FieldByIndex(o.field).Set(value)
	return nil
}

func (o option) checkTexts(texts []string) error {
	if len(texts) == 0 {
		return errors.New("is an empty list")
	}
	for _, text := range texts {
		if len(o.allowed) > 0 && !slices.Contains(o.allowed, text) {
			return fmt.Errorf("%q is not one of %s", text, strings.Join(o.allowed, ", "))
		}
		if o.check == "" {
			continue
		}
		if err := checks[o.check](text); err != nil {
			return err
		}
	}
	return nil
}

// checkRange compares a number or duration with its limits.
func (o option) checkRange(text string, value reflect.Value) error {
	if o.low == "" {
		return nil
	}
	low, _ := o.parse([]string{o.low})
	high, _ := o.parse([]string{o.high})
	if asFloat(value) < asFloat(low) || asFloat(value) > asFloat(high) {
		return fmt.Errorf("%q is outside %s to %s", text, o.low, o.high)
	}
	return nil
}

// asFloat is exact for all that ranges are about: durations of less than 100 days.
func asFloat(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// parse turns texts into a value of o's type. Its errors quote the text; a Secret takes any text, so none of them shows one.
func (o option) parse(texts []string) (reflect.Value, error) {
	target, text := reflect.New(o.typ), texts[0]
	var err error
	switch v := target.Interface().(type) {
	case encoding.TextUnmarshaler:
		err = v.UnmarshalText([]byte(text))
	case *[]string:
		*v = slices.Clone(texts)
	case *string:
		*v = text
	case *bool:
		if *v = text == "true"; !*v && text != "false" {
			err = fmt.Errorf("%q is neither true nor false", text)
		}
	case *int:
		if *v, err = strconv.Atoi(text); err != nil {
			err = fmt.Errorf("%q is not a whole number", text)
		}
	case *float64:
		if *v, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(*v) {
			err = fmt.Errorf("%q is not a number", text)
		}
	case *time.Duration:
		if *v, err = time.ParseDuration(text); err != nil {
			err = fmt.Errorf("%q is not a duration such as 5s or 250ms", text)
		}
	default:
		panic("config: " + o.key + " has a type that parse does not know")
	}
	return target.Elem(), err
}
