package rollout

import (
	"encoding/json"
	"strconv"

	"github.com/open-feature/go-sdk/openfeature"
)

// target gives f its choices: the rule at n, or the preset variant where there is
// no rule (no targeting, null or an empty object, as in flagd).
func (vs variants) target(f *flag, preset variant, n *node) error {
	f.others = choice{one: preset, reason: openfeature.StaticReason}
	if n == nil || n.value == nil {
		return nil
	}
	if kids, ok := n.value.(object); ok && len(kids) == 0 {
		return nil
	}
	op, err := n.fields("if", "fractional")
	switch {
	case err != nil:
		return err
	case len(op) != 1:
		return n.faultf("must have one key, if or fractional")
	case op["if"] != nil:
		f.others.reason = openfeature.DefaultReason // until an else says more
		return vs.chain(f, op["if"])
	}
	f.others, err = vs.choice(n)
	return err
}

// chain reads condition, result, condition, result … and, when their number is
// odd, a final else.
func (vs variants) chain(f *flag, n *node) error {
	steps, ok := n.value.(list)
	if !ok || len(steps) < 2 {
		return n.faultf("must be a list: condition, result, …, else")
	}
	f.named = map[string]choice{}
	for ; len(steps) >= 2; steps = steps[2:] {
		users, err := parseCondition(steps[0])
		if err != nil {
			return err
		}
		then, err := vs.choice(steps[1])
		if err != nil {
			return err
		}
		for _, user := range users {
			if _, taken := f.named[user]; !taken {
				f.named[user] = then
			}
		}
	}
	if len(steps) == 0 {
		return nil
	}
	var err error
	f.others, err = vs.choice(steps[0])
	return err
}

// choice reads a result: the name of a variant, or a fractional split.
func (vs variants) choice(n *node) (choice, error) {
	if kids, ok := n.value.(object); ok && len(kids) == 1 && kids[0].key == "fractional" {
		s, err := vs.split(kids[0])
		return choice{split: s, reason: openfeature.SplitReason}, err
	}
	v, err := vs.named(n)
	if err != nil {
		return choice{}, n.faultf("must name a variant (%s) or be a fractional split", vs)
	}
	return choice{one: v, reason: openfeature.TargetingMatchReason}, nil
}

func (vs variants) split(n *node) (split, error) {
	parts, ok := n.value.(list)
	if !ok {
		return nil, n.faultf(`must be a list of ["variant", weight]`)
	}
	var s split
	var total int64
	for _, part := range parts {
		v, weight, err := vs.weighted(part)
		if err != nil {
			return nil, err
		}
		total += weight
		s = append(s, share{variant: v, end: uint64(total)})
	}
	if total < 1 || total > maxTotal {
		return nil, n.faultf("weights must add up to 1..%d, not %d", maxTotal, total)
	}
	return s, nil
}

// weighted reads ["variant", weight]; without a weight it is 1.
func (vs variants) weighted(n *node) (variant, int64, error) {
	pair, ok := n.value.(list)
	if !ok || len(pair) < 1 || len(pair) > 2 {
		return variant{}, 0, n.faultf(`must be ["variant", weight]; users are always split by targetingKey`)
	}
	v, err := vs.named(pair[0])
	if err != nil || len(pair) == 1 {
		return v, 1, err
	}
	// A literal like 10.0 or 1e1 is refused with the rest: nobody writes it on purpose.
	literal, _ := pair[1].value.(json.Number)
	weight, err := strconv.ParseInt(literal.String(), 10, 32)
	if err != nil || weight < 0 {
		return v, 0, pair[1].faultf("weight must be a whole number in 0..%d", maxTotal)
	}
	return v, weight, nil
}

// parseCondition reads the users for whom a condition holds.
func parseCondition(n *node) ([]string, error) {
	const allowed = `must be {"in": [{"var": "targetingKey"}, ["user", …]]} or {"==": [{"var": "targetingKey"}, "user"]}`
	kids, ok := n.value.(object)
	if !ok || len(kids) != 1 {
		return nil, n.faultf(allowed)
	}
	args, ok := kids[0].value.(list)
	if !ok || len(args) != 2 || !isTargetingKey(args[0]) {
		return nil, n.faultf(allowed)
	}
	switch kids[0].key {
	case "==":
		return parseUsers(list{args[1]})
	case "in":
		if users, ok := args[1].value.(list); ok {
			return parseUsers(users)
		}
	}
	return nil, n.faultf(allowed)
}

func isTargetingKey(n *node) bool {
	kids, ok := n.value.(object)
	return ok && len(kids) == 1 && kids[0].key == "var" && kids[0].value == openfeature.TargetingKey
}

func parseUsers(items list) ([]string, error) {
	var users []string
	for _, item := range items {
		user, ok := item.value.(string)
		if !ok {
			return nil, item.faultf("must be a user id in quotes")
		}
		users = append(users, user)
	}
	return users, nil
}
