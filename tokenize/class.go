package tokenize

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is what the pre-tokenizers' patterns distinguish about a rune. A byte that
// is not part of valid UTF-8 is a rune of its own, of class other.
type class uint8

const (
	other  class = iota // [^\s\p{L}\p{N}]
	letter              // \p{L}
	number              // \p{N}
	space               // \s
)

// classTable gives the class of every rune, in two levels: most of the 4,352 pages
// of 256 runes are alike, so the whole fits the first-level cache for one script.
type classTable struct {
	ascii [256]class // for bytes below utf8.RuneSelf; indexed by a byte, hence 256
	page  [(unicode.MaxRune + 1) >> 8]uint8
	pages [][256]class
}

// The Unicode versions differ: the regular expressions of Hugging Face's
// tokenizers know Unicode 16, its Digits pre-tokenizer Unicode 17, and Go's tables
// are those of Unicode 15. The ranges that Go lacks are added here; a test compares
// the classes of all runes with those found through Hugging Face's library.
func newerLetters() [][2]rune {
	return [][2]rune{
		{0x1C89, 0x1C8A}, {0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}, {0x105C0, 0x105F3},
		{0x10D4A, 0x10D65}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389},
		{0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7},
		{0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0}, {0x13460, 0x143FA},
		{0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
		{0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},
	}
}

func newerNumbers() [][2]rune {
	return [][2]rune{
		{0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x16130, 0x16139},
		{0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
	}
}

// digitsOnlyNumbers are numbers of Unicode 17: the Digits pre-tokenizer isolates
// them, the regular expressions take them for class other.
func digitsOnlyNumbers() [][2]rune {
	return [][2]rune{{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}}
}

// The tables are built at first use, once, and never change.
var (
	regexClasses  = sync.OnceValue(func() *classTable { return newClassTable(nil) })
	digitsClasses = sync.OnceValue(func() *classTable { return newClassTable(digitsOnlyNumbers()) })
)

func newClassTable(extraNumbers [][2]rune) *classTable {
	all := make([]class, unicode.MaxRune+1)
	setTable := func(table *unicode.RangeTable, c class) {
		for _, r := range table.R16 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				all[x] = c
			}
		}
		for _, r := range table.R32 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				all[x] = c
			}
		}
	}
	setRanges := func(ranges [][2]rune, c class) {
		for _, r := range ranges {
			for x := r[0]; x <= r[1]; x++ {
				all[x] = c
			}
		}
	}
	setTable(unicode.L, letter)
	setTable(unicode.N, number)
	setTable(unicode.White_Space, space)
	setRanges(newerLetters(), letter)
	setRanges(newerNumbers(), number)
	setRanges(extraNumbers, number)

	t := &classTable{}
	copy(t.ascii[:utf8.RuneSelf], all)
	index := map[[256]class]uint8{}
	for p := range t.page {
		page := [256]class(all[p<<8:])
		i, ok := index[page]
		if !ok {
			i = uint8(len(t.pages)) // about 70 distinct pages
			index[page] = i
			t.pages = append(t.pages, page)
		}
		t.page[p] = i
	}
	return t
}

// at returns the class of the rune that starts at s[i] and where the rune ends.
func (t *classTable) at(s []byte, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return t.ascii[b], i + 1
	}
	return t.atWide(s, i)
}

func (t *classTable) atWide(s []byte, i int) (class, int) {
	r, n := utf8.DecodeRune(s[i:])
	return t.pages[t.page[r>>8]][uint8(r)], i + n // RuneError, for a bad byte, is of class other
}

// run returns the end of the run of class c that goes on at s[i], i if it is empty.
func (t *classTable) run(s []byte, i int, c class) int {
	for i < len(s) {
		k, end := t.at(s, i)
		if k != c {
			break
		}
		i = end
	}
	return i
}
