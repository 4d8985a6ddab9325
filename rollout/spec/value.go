package spec

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// durationForm is what durations look like, here and in the schema: Go's, less
// signs and the units that nobody needs.
var durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$`)

// text reads a string. What YAML reads as a number or a boolean is none.
func (r *reader) text(f field) string {
	switch n := f.value.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	r.fail(f, "must be text%s", quoteHint(f.value))
	return ""
}

// quoteHint says how a number or the like becomes text.
func quoteHint(n ast.Node) string {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return fmt.Sprintf("; write it in quotes: %q", n.GetToken().Value)
	}
	return hint(n)
}

// form reads a string that must have a form, which want describes.
func (r *reader) form(f field, form *regexp.Regexp, want string) string {
	before := len(r.faults)
	text := r.text(f)
	if len(r.faults) == before && !form.MatchString(text) {
		r.fail(f, "%q is not %s", text, want)
	}
	return text
}

// oneOf reads one of a few words.
func oneOf[T ~string](r *reader, f field, allowed ...T) T {
	var words []string
	for _, a := range allowed {
		words = append(words, string(a))
	}
	n, ok := f.value.(*ast.StringNode)
	if !ok || !slices.Contains(words, n.Value) {
		r.fail(f, "must be %s%s", strings.Join(words, " or "), hint(f.value))
		return ""
	}
	return T(n.Value)
}

// number reads any number but infinities and NaN.
func (r *reader) number(f field) float64 {
	switch n := f.value.(type) {
	case *ast.FloatNode:
		if !math.IsInf(n.Value, 0) {
			return n.Value
		}
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return float64(v)
		case uint64:
			return float64(v)
		}
	}
	r.fail(f, "must be a number%s", hint(f.value))
	return math.NaN()
}

// whole reads a whole number within limits.
func (r *reader) whole(f field, low, high int) int {
	before := len(r.faults)
	v := r.number(f)
	if len(r.faults) > before {
		return low
	}
	if v != math.Trunc(v) || v < float64(low) || v > float64(high) {
		r.fail(f, "%s is not a whole number from %d to %d", f.value.GetToken().Value, low, high)
		return low
	}
	return int(v)
}

// duration reads a duration within limits.
func (r *reader) duration(f field, low, high time.Duration) time.Duration {
	n, ok := f.value.(*ast.StringNode)
	if !ok {
		r.fail(f, "must be a duration such as 30s or 1h30m%s", hint(f.value))
		return low
	}
	d, err := time.ParseDuration(n.Value)
	switch {
	case !durationForm.MatchString(n.Value):
		r.fail(f, "%q is not a duration such as 30s or 1h30m", n.Value)
	case err != nil || d < low || d > high: // the form is right, so an error is an overflow
		r.fail(f, "%q is outside %s to %s", n.Value, Short(low), Short(high))
	default:
		return d
	}
	return low
}

func (r *reader) boolean(f field) bool {
	n, ok := f.value.(*ast.BoolNode)
	if !ok {
		r.fail(f, "must be true or false%s", hint(f.value))
		return false
	}
	return n.Value
}

// Short is a duration as people write it: 10m, not 10m0s.
func Short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
