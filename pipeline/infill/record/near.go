package record

import (
	"strings"

	"github.com/hbollon/go-edlib"
)

// near reports whether name is probably a slip for known: the same but for case, or
// within two edits (a swap of neighbours is one). Names under four letters are near to too many others: "end" is
// allowed one edit, "id" none.
func near(name, known string) bool {
	if len(name) > len(known)+2 { // too far, and perhaps too long to compare
		return false
	}
	return edlib.OSADamerauLevenshteinDistance(strings.ToLower(name), known) <= min(2, len(known)-2)
}
