package tokenize

import (
	"slices"
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

// runeRange is the runes from the first to the second, both included.
type runeRange [2]rune

// classTable gives the class of every rune, in two levels: most of the 4,352 pages
// of 256 runes are alike, so the whole fits the first-level cache for one script.
type classTable struct {
	ascii [256]class // for bytes below utf8.RuneSelf; indexed by a byte, hence 256
	page  [(unicode.MaxRune + 1) >> 8]uint8
	pages [][256]class
}

// The tables are built at first use, once, and never change. They differ because the
// Digits pre-tokenizer knows a newer Unicode than the regular expressions.
var (
	regexClasses  = sync.OnceValue(func() *classTable { return newClassTable(numberRanges()) })
	digitsClasses = sync.OnceValue(func() *classTable {
		return newClassTable(slices.Concat(numberRanges(), newerNumberRanges()))
	})
)

func newClassTable(numbers []runeRange) *classTable {
	all := make([]class, unicode.MaxRune+1)
	set := func(ranges []runeRange, c class) {
		for _, r := range ranges {
			for x := r[0]; x <= r[1]; x++ {
				all[x] = c
			}
		}
	}
	set(letterRanges(), letter)
	set(numbers, number)
	set(spaceRanges(), space)

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

// of returns the class of a valid rune; RuneError is of class other.
func (t *classTable) of(r rune) class { return t.pages[t.page[r>>8]][uint8(r)] }

// at returns the class of the rune that starts at s[i] and where the rune ends.
func (t *classTable) at(s []byte, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return t.ascii[b], i + 1
	}
	return t.atWide(s, i)
}

func (t *classTable) atWide(s []byte, i int) (class, int) {
	r, n := utf8.DecodeRune(s[i:])
	return t.of(r), i + n
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

// wordRunes holds the ranges of \w, for the few added tokens with single_word.
var wordRunes = sync.OnceValue(wordRanges)

func isWord(r rune) bool {
	_, found := slices.BinarySearchFunc(wordRunes(), r, func(in runeRange, r rune) int {
		switch {
		case in[1] < r:
			return -1
		case in[0] > r:
			return 1
		}
		return 0
	})
	return found
}

func startsWithWord(text []byte) bool {
	r, _ := utf8.DecodeRune(text) // RuneError, for no or bad text, is no word character
	return isWord(r)
}

func endsWithWord(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return isWord(r)
}
