package rollout

import lru "github.com/hashicorp/golang-lru/v2"

// remembered is how many answers are kept, about 150 bytes each: for the users whom a
// gateway of a few cores can serve at the usual interval.
const remembered = 1 << 18

// memo keeps what users were answered for as long as the flag file and the heading stay
// as they are. The SDK's way to an answer takes ten times as long as ours below it
// (BenchmarkTransport, BenchmarkEvaluate), and longer than the rest of a poll from memory.
type memo struct {
	kept *lru.Cache[question, kept]
}

type question struct {
	flag *definition
	user string
}

// answer is a flag's value for a user, and why.
type answer struct{ value, reason string }

type kept struct {
	answer
	version uint64 // of file and heading, from before they were asked
}

func newMemo() *memo {
	c, err := lru.New[question, kept](remembered)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &memo{c}
}

func (m *memo) get(flag *definition, user string, version uint64) (answer, bool) {
	k, ok := m.kept.Get(question{flag, user})
	return k.answer, ok && k.version == version
}

func (m *memo) put(flag *definition, user string, version uint64, a answer) {
	m.kept.Add(question{flag, user}, kept{a, version})
}
