package record

import (
	"strconv"
	"unicode/utf8"
)

// decodeString decodes a JSON string, which is valid JSON. whole is false if it
// holds half of a surrogate pair, which no UTF-8 text can carry; U+FFFD stands
// for it, and for each byte that is no UTF-8.
func decodeString(value []byte) (s string, whole bool) {
	b, whole := decodeBytes(value)
	return string(b), whole
}

// decodeBytes is decodeString. The bytes are a copy.
func decodeBytes(value []byte) (b []byte, whole bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false // not a string: callers look at the type first
	}
	inner := value[1 : len(value)-1]
	if !utf8.Valid(inner) {
		inner = []byte(Display(inner))
	}
	return unescape(make([]byte, 0, len(inner)), inner)
}

func hexRune(digits []byte) rune {
	n, err := strconv.ParseUint(string(digits), 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// Display returns b as text: each byte that is not part of valid UTF-8 shows as
// U+FFFD.
func Display(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

// SplitsCharacter reports whether byte offset i of text lies inside a character
// of several bytes, and where that character starts and ends. Bytes that are not
// valid UTF-8 are characters of one byte.
func SplitsCharacter(text []byte, i int) (start, end int, splits bool) {
	for start = i - 1; start >= 0 && start > i-utf8.UTFMax; start-- {
		if !utf8.RuneStart(text[start]) {
			continue
		}
		_, size := utf8.DecodeRune(text[start:])
		return start, start + size, start+size > i
	}
	return 0, 0, false
}
