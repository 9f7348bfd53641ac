package tokenize

// joinTable says which bytes a merge can join: the last of its left symbol and the first
// of its right one. SentencePiece vocabularies have no pre-tokenizer, so that a whole
// document is one word to them; but between two bytes that no merge joins, no merge
// reaches across, and it can be cut there into words that are merged one by one and
// found in a cache, with the same result. Nothing is assumed about the vocabulary.
type joinTable [256][4]uint64 // [last][first] bits

func (t *joinTable) set(last, first byte) { t[last][first>>6] |= 1 << (first & 63) }

// newJoinTable returns the table for merges between tokens with the given bytes.
func newJoinTable(merges []merge, skip func(merge) bool, bytes func(id int32) []byte) *joinTable {
	t := &joinTable{}
	for last := range t {
		t[last][2] = ^uint64(0) // 0x80 to 0xBF go on with a rune
	}
	for _, m := range merges {
		if left, right := bytes(m.left), bytes(m.right); !skip(m) {
			t.set(left[len(left)-1], right[0])
		}
	}
	return t
}

// split is a splitter: the word ends where no merge can reach across.
func (t *joinTable) split(s []byte, i int) int {
	for i++; i < len(s); i++ {
		if b := s[i]; t[s[i-1]][b>>6]>>(b&63)&1 == 0 {
			return i
		}
	}
	return i
}

// wholeText is a splitter for texts that must not be cut.
func wholeText(s []byte, _ int) int { return len(s) }
