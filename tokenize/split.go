package tokenize

import "unicode/utf8"

// A splitter returns the end of the word that starts at s[i], for i < len(s); the
// end is greater than i. BPE merges inside words, never across their borders.
//
// Each is a hand-written matcher of the alternatives of one published regular
// expression, in its order; a general matcher is over ten times slower, and Go's
// has no lookahead.
type splitter func(s []byte, i int) int

// splitGPT2 matches, as GPT-2 does,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func (t *classTable) splitGPT2(s []byte, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], false); n > 0 {
			return i + 1 + n
		}
	}
	c, end := t.at(s, i)
	if s[i] == ' ' && end < len(s) {
		if next, nextEnd := t.at(s, end); next != space {
			c, end = next, nextEnd
		}
	}
	if c != space {
		return t.run(s, end, c)
	}
	return blanks(s, i, t.run(s, end, space))
}

// splitSmolLM2 first isolates every digit, then matches as GPT-2 does in what lies
// between, so that a digit ends the text for the lookahead.
func (t *classTable) splitSmolLM2(s []byte, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], false); n > 0 {
			return i + 1 + n
		}
	}
	c, end := t.at(s, i)
	if c == number {
		return end
	}
	if s[i] == ' ' && end < len(s) {
		if next, nextEnd := t.at(s, end); next != space && next != number {
			c, end = next, nextEnd
		}
	}
	if c != space {
		return t.run(s, end, c)
	}
	end = t.run(s, end, space)
	if end < len(s) {
		if next, _ := t.at(s, end); next == number {
			return end
		}
	}
	return blanks(s, i, end)
}

// splitLlama3 matches, as Llama-3 does,
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func (t *classTable) splitLlama3(s []byte, i int) int { return t.splitTiktoken(s, i, 3) }

// splitQwen2 matches as Llama-3 does, but every number alone.
func (t *classTable) splitQwen2(s []byte, i int) int { return t.splitTiktoken(s, i, 1) }

// splitTiktoken is the family of patterns that came with OpenAI's tiktoken; at most the
// given count of numbers makes a word.
func (t *classTable) splitTiktoken(s []byte, i, numbers int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], true); n > 0 {
			return i + 1 + n
		}
	}
	c, end := t.at(s, i)
	switch c {
	case letter:
		return t.run(s, end, letter)
	case number:
		for k := 1; k < numbers && end < len(s); k++ {
			next, nextEnd := t.at(s, end)
			if next != number {
				break
			}
			end = nextEnd
		}
		return end
	}
	if end < len(s) {
		next, nextEnd := t.at(s, end)
		if next == letter && !isNewline(s[i]) {
			return t.run(s, nextEnd, letter)
		}
		if next == other && s[i] == ' ' {
			c, end = other, nextEnd
		}
	}
	if c == other {
		end = t.run(s, end, other)
		for end < len(s) && isNewline(s[end]) {
			end++
		}
		return end
	}
	end = t.run(s, end, space)
	for k := end; k > i; k-- { // \s*[\r\n]+ reaches to the last newline of the run
		if isNewline(s[k-1]) {
			return k
		}
	}
	return blanks(s, i, end)
}

func isNewline(b byte) bool { return b == '\r' || b == '\n' }

// blanks matches \s+(?!\S)|\s+ in the run of white space s[i:end]: all of it at
// the end of the text, else all but the last rune, which may join the next word.
func blanks(s []byte, i, end int) int {
	if end == len(s) {
		return end
	}
	_, n := utf8.DecodeLastRune(s[i:end])
	if end-n > i {
		return end - n
	}
	return end
}

// contraction returns the length of the s, t, re, ve, m, ll or d that begins s,
// which is what follows an apostrophe; 0 if there is none. With fold, upper case
// matches too, and so does U+017F (long s), whose simple fold is s.
func contraction(s []byte, fold bool) int {
	if len(s) == 0 {
		return 0
	}
	if fold && len(s) >= 2 && s[0] == 0xC5 && s[1] == 0xBF {
		return 2
	}
	switch a := lower(s[0], fold); a {
	case 's', 't', 'm', 'd':
		return 1
	case 'r', 'v', 'l':
		if len(s) < 2 {
			return 0
		}
		if b := lower(s[1], fold); a == 'l' && b == 'l' || a != 'l' && b == 'e' {
			return 2
		}
	}
	return 0
}

func lower(b byte, fold bool) byte {
	if fold && 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
