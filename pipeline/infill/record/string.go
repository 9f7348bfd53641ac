package record

import (
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeString decodes a JSON string, which is valid JSON. whole is false if it
// holds half of a surrogate pair, which no UTF-8 text can carry; U+FFFD stands
// for it.
func decodeString(value []byte) (s string, whole bool) {
	if err := json.Unmarshal(value, &s); err != nil {
		return "", false // not a string: callers look at the type first
	}
	return s, !hasLoneSurrogate(value)
}

// hasLoneSurrogate looks through the \u escapes of a valid JSON string.
func hasLoneSurrogate(value []byte) bool {
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		i++
		if value[i] != 'u' {
			continue
		}
		r := hexRune(value[i+1 : i+5])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		low := rune(0)
		if i+6 < len(value) && value[i+1] == '\\' && value[i+2] == 'u' {
			low = hexRune(value[i+3 : i+7])
		}
		if utf16.DecodeRune(r, low) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
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
