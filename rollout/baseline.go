package rollout

// Baseline is where a rollout starts: what the flag file says of the users that
// no list names.
type Baseline struct {
	Poll     float64 // percent of them on poll
	Stream   Stream  // empty when it is not the same for all of them
	Disabled bool    // [TransportFlag] is, so everybody is on sse and a rollout is paused
}

// ReadBaseline reads that of the flag file at path. An empty path means that there
// is none.
func ReadBaseline(path string) (Baseline, error) {
	if path == "" {
		return Baseline{Poll: 100, Stream: Stream(streamFlag.fileless)}, nil
	}
	file, err := openFile(path)
	if err != nil {
		return Baseline{}, err
	}
	return file.baseline(), nil
}

func (file *flagFile) baseline() Baseline {
	b := Baseline{Stream: Stream(streamFlag.safe)}
	if f := file.flags()[TransportFlag]; f != nil && f.disabled {
		b.Disabled = true
	} else if f != nil {
		b.Poll = 100 * f.portion(string(Poll))
	}
	if f := file.flags()[StreamFlag]; f != nil && !f.disabled {
		b.Stream = ""
		for _, value := range streamFlag.values {
			if f.portion(value) == 1 {
				b.Stream = Stream(value)
			}
		}
	}
	return b
}

// portion is how much of the users that no list names get a value, 0..1.
func (f *flag) portion(value string) float64 {
	s := f.others.split
	if s == nil {
		s = split{{variant: f.others.one, end: 1}}
	}
	var of, before uint64
	for _, share := range s {
		if share.value == value {
			of += share.end - before
		}
		before = share.end
	}
	return float64(of) / float64(before)
}
