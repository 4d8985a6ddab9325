package rollout

import "sluice/internal/bounded"

// remembered is how many answers are kept, about 60 bytes each.
const remembered = 1 << 20

// memo keeps what users were answered for as long as the flag file and the heading stay
// as they are. The SDK's way to an answer takes ten times as long as ours below it
// (BenchmarkTransport, BenchmarkEvaluate), and longer than the rest of a poll from memory.
type memo map[*definition]*bounded.Map[kept]

// answer is a flag's value for a user, and why.
type answer struct{ value, reason string }

type kept struct {
	version uint64 // of file and heading, from before they were asked
	answer  uint8  // its number, so that an entry is small and has no pointers
}

// answers are all that there can be, by their numbers; numbers is the other way round.
var answers, numbers = func() (all []answer, numbers map[answer]uint8) {
	numbers = map[answer]uint8{}
	EachEvaluation(func(_, value, reason string) {
		numbers[answer{value, reason}] = uint8(len(all))
		all = append(all, answer{value, reason})
	})
	return all, numbers
}()

func newMemo() memo {
	m := memo{}
	for _, flag := range []*definition{&transportFlag, &streamFlag} {
		m[flag] = bounded.New[kept](remembered)
	}
	return m
}

func (m memo) get(flag *definition, user string, version uint64) (answer, bool) {
	k, ok := m[flag].Get(user)
	return answers[k.answer], ok && k.version == version
}

func (m memo) put(flag *definition, user string, version uint64, a answer) {
	if n, known := numbers[a]; known {
		m[flag].Put(user, kept{version, n})
	}
}
