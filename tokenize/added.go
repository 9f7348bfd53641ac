package tokenize

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// addedToken is an entry of added_tokens: text that stands for one id as a whole.
type addedToken struct {
	content string
	id      int32
	special bool
	// normalized tokens are looked for after all others, in the text between those, when
	// the normalizer has passed over it and them.
	normalized bool
	singleWord bool // only where no word character touches it
	lstrip     bool // with the white space before it
	rstrip     bool // with the white space behind it
}

// addedSet finds the added tokens of one kind in a text.
type addedSet struct {
	tokens []addedToken // by content, so that a token precedes those it begins
	first  [256]bool    // bytes that begin a token
	only   int          // the one byte that begins all tokens, -1 = there are several
	// marked: the text and the tokens are normalized to SentencePiece's markers, for
	// which a space stands here. A marker is neither white space nor a word character.
	marked bool
}

// newAddedSets returns the tokens in the order in which they are looked for: the
// raw ones, then the normalized ones.
func newAddedSets(tokens []addedToken, s spacing) ([2]addedSet, error) {
	var sets [2]addedSet
	for _, t := range tokens {
		set := &sets[0]
		if t.normalized {
			set = &sets[1]
			if s.normalizer() {
				set.marked = true
				t.content = string(s.appendSpaced(nil, []byte(t.content), true))
			}
		}
		set.tokens = append(set.tokens, t)
		set.first[t.content[0]] = true
	}
	for i := range sets {
		set := &sets[i]
		slices.SortFunc(set.tokens, func(a, b addedToken) int { return cmp.Compare(a.content, b.content) })
		for k := range set.tokens[min(1, len(set.tokens)):] {
			if a, b := set.tokens[k], set.tokens[k+1]; a.content == b.content {
				return sets, fmt.Errorf("added_tokens: ids %d and %d are the same text, %q, to the normalizer", min(a.id, b.id), max(a.id, b.id), a.content)
			}
		}
		set.only = -1
		if n := len(set.tokens); n > 0 && set.tokens[0].content[0] == set.tokens[n-1].content[0] {
			set.only = int(set.tokens[0].content[0])
		}
	}
	return sets, nil
}

// find returns the leftmost token in text[from:], of several there the longest: its
// index in tokens, -1 = none, and where it stands in text.
func (s *addedSet) find(text []byte, from int) (start, end, token int) {
	if len(s.tokens) == 0 {
		return 0, 0, -1
	}
	for i := from; i < len(text); i++ {
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
			return i, i + len(s.tokens[k].content), k
		}
	}
	return 0, 0, -1
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

// addedCuts cuts a text at the added tokens of a set. It does what Hugging Face's
// library does, also where that surprises: a token is searched for behind the content
// of the one before, not behind the white space that went with it, so that tokens can
// overlap there; of one that nothing is left of by then, there is no trace; and one that
// single_word rules out still hides those that overlap it.
type addedCuts struct {
	set  *addedSet
	text []byte
	at   int // where the search goes on
	done int // the text before has been returned
}

// next returns the next token and where the text before it lies, which may be empty.
// When there are no more tokens, that is the rest of the text, and ok is false.
func (c *addedCuts) next() (from, to int, id int32, ok bool) {
	for {
		start, end, k := c.set.find(c.text, c.at)
		if k < 0 {
			return c.done, len(c.text), 0, false
		}
		c.at = end
		t := &c.set.tokens[k]
		if t.singleWord && (endsWithWord(c.text[:start]) || startsWithWord(c.text[end:])) {
			continue
		}
		if t.lstrip {
			start = max(len(c.set.trimRight(c.text[:start])), c.done)
		}
		if t.rstrip {
			end = len(c.text) - len(c.set.trimLeft(c.text[end:]))
		}
		if start >= end { // nothing is left; where it is less than nothing, the library panics
			continue
		}
		from, to = c.done, max(start, c.done)
		c.done = end
		return from, to, t.id, true
	}
}

// trimRight returns text without the white space at its end.
func (s *addedSet) trimRight(text []byte) []byte {
	return bytes.TrimRightFunc(text, s.isSpace)
}

// trimLeft returns text without the white space at its beginning.
func (s *addedSet) trimLeft(text []byte) []byte {
	return bytes.TrimLeftFunc(text, s.isSpace)
}

func (s *addedSet) isSpace(r rune) bool {
	return regexClasses().of(r) == space && !(s.marked && r == ' ')
}
