package rollout

import "github.com/open-feature/go-sdk/openfeature"

// variant is one of a flag's answers: its name in the file and what it stands for.
type variant struct{ name, value string }

// choice is what becomes of some users of a flag: one variant, or a split.
type choice struct {
	one    variant
	split  split // used when not nil
	reason openfeature.Reason
}

// flag is one flag of the file, made ready for the hot path. Every condition of
// an if chain is a list of users and the first match wins, so the whole chain
// folds into one map.
type flag struct {
	key      string
	disabled bool
	named    map[string]choice // by user
	others   choice
}

// evaluate answers for a user and says why. A steered choice takes the place of
// what the file says of users whom it does not name.
func (f *flag) evaluate(user string, steered *choice) (variant, openfeature.Reason) {
	c, ok := f.named[user]
	switch {
	case ok:
	case steered != nil:
		c = *steered
	default:
		c = f.others
	}
	if c.split != nil {
		return c.split.pick(f.key, user), c.reason
	}
	return c.one, c.reason
}
