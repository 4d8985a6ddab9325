package rollout

import "sluice/internal/bounded"

// remembered is how many answers are kept, about 100 bytes each.
const remembered = 1 << 20

// memo keeps what users were answered for as long as the flag file and the heading stay
// as they are. The SDK's way to an answer takes ten times as long as ours below it
// (BenchmarkTransport, BenchmarkEvaluate), and longer than the rest of a poll from memory.
type memo struct {
	kept *bounded.Map[question, kept]
}

type question struct {
	flag *definition
	user string
}

// answer is a flag's value for a user, and why.
type answer struct{ value, reason string }

type kept struct {
	answer  *answer // one of answers, so that an entry is small
	version uint64  // of file and heading, from before they were asked
}

// answers are all that there can be.
var answers = func() map[answer]*answer {
	all := map[answer]*answer{}
	EachEvaluation(func(_, value, reason string) { all[answer{value, reason}] = &answer{value, reason} })
	return all
}()

func newMemo() *memo { return &memo{bounded.New[question, kept](remembered)} }

func (m *memo) get(flag *definition, user string, version uint64) (*answer, bool) {
	k, ok := m.kept.Get(question{flag, user})
	return k.answer, ok && k.version == version
}

func (m *memo) put(flag *definition, user string, version uint64, a *answer) {
	m.kept.Put(question{flag, user}, kept{a, version})
}
