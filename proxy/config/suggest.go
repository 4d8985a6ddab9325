package config

// didYouMean proposes the candidate nearest to a mistyped name: "; did you mean poll.interval?", or "" if none is near.
func didYouMean(name string, candidates []string) string {
	best, nearest := "", max(1, len(name)/4)+1
	for _, candidate := range candidates {
		if d := distance(name, candidate); d < nearest {
			best, nearest = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance counts the single-byte insertions, deletions and replacements from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
