package tokenize

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

// addedToken is an entry of added_tokens: text that stands for one id as a whole.
type addedToken struct {
	content string
	id      int32
	special bool
	// normalized tokens are looked for after all others, in the text between those.
	normalized bool
}

// addedSet finds the added tokens of one kind in a text.
type addedSet struct {
	tokens []addedToken // by content, so that a token precedes those it begins
	first  [256]bool    // bytes that begin a token
	only   int          // the one byte that begins all tokens, -1 = there are several
}

// newAddedSets returns the tokens in the order in which they are looked for: the
// raw ones, then the normalized ones.
func newAddedSets(tokens []addedToken) [2]addedSet {
	var sets [2]addedSet
	for _, t := range tokens {
		s := &sets[0]
		if t.normalized {
			s = &sets[1]
		}
		s.tokens = append(s.tokens, t)
		s.first[t.content[0]] = true
	}
	for i := range sets {
		s := &sets[i]
		slices.SortFunc(s.tokens, func(a, b addedToken) int { return cmp.Compare(a.content, b.content) })
		s.only = -1
		if n := len(s.tokens); n > 0 && s.tokens[0].content[0] == s.tokens[n-1].content[0] {
			s.only = int(s.tokens[0].content[0])
		}
	}
	return sets
}

// next finds the leftmost token in text, of several there the longest; it stands at
// text[start:end]. ok is false if there is none.
func (s *addedSet) next(text []byte) (start, end int, id int32, ok bool) {
	if len(s.tokens) == 0 {
		return 0, 0, 0, false
	}
	for i := 0; i < len(text); i++ {
		if s.only >= 0 {
			skip := bytes.IndexByte(text[i:], byte(s.only))
			if skip < 0 {
				break
			}
			i += skip
		} else if !s.first[text[i]] {
			continue
		}
		if k := s.longest(text[i:]); k >= 0 {
			t := &s.tokens[k]
			return i, i + len(t.content), t.id, true
		}
	}
	return 0, 0, 0, false
}

// longest returns the index of the longest token that begins text, -1 = none. It
// narrows the range of tokens that agree with text byte by byte.
func (s *addedSet) longest(text []byte) int {
	best := -1
	lo, hi := 0, len(s.tokens)
	for depth := 0; lo < hi; depth++ {
		if len(s.tokens[lo].content) == depth {
			best = lo
			lo++
		}
		if depth == len(text) {
			break
		}
		within, b := s.tokens[lo:hi], text[depth]
		from := sort.Search(len(within), func(k int) bool { return within[k].content[depth] >= b })
		to := from + sort.Search(len(within)-from, func(k int) bool { return within[from+k].content[depth] > b })
		lo, hi = lo+from, lo+to
	}
	return best
}
