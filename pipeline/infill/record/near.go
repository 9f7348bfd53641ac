package record

import "strings"

// near reports whether name is probably a slip for known: the same but for case, or
// within two edits. Names under four letters are near to too many others: "end" is
// allowed one edit, "id" none.
func near(name, known string) bool {
	return editDistance(strings.ToLower(name), known) <= min(2, len(known)-2)
}

// editDistance counts the single-byte insertions, deletions, substitutions and
// swaps of neighbours that turn a into b (optimal string alignment). From 3 on the
// exact number is of no interest: it may return any number >= 3.
func editDistance(a, b string) int {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return 3
	}
	var before, above []int // the two rows before the current one
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
