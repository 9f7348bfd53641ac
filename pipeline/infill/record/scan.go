package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanDepth is how deep arrays and objects may be nested for scanValue to accept them.
const scanDepth = 64

// accepted reports whether b is one JSON value, without space around it. It looks at eight
// bytes of a string at a time, where most bytes of a record are, and so takes a tenth of
// what encoding/json does. It may say no to valid JSON that is nested deeper than scanDepth;
// it never says yes to anything else. UTF-8 is not looked at.
func accepted(b []byte) bool { return scanValue(b, 0, scanDepth) == len(b) && len(b) > 0 }

// scanValue returns the end of the JSON value that starts at i, -1 if there is none.
func scanValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return scanString(b, i+1)
	case '{', '[':
		if depth == 0 {
			return -1
		}
		return scanMembers(b, i, depth-1)
	case 't':
		return scanWord(b, i, "true")
	case 'f':
		return scanWord(b, i, "false")
	case 'n':
		return scanWord(b, i, "null")
	}
	return scanNumber(b, i)
}

// scanMembers returns the end of the object or array that starts at i.
func scanMembers(b []byte, i, depth int) int {
	object, closing := b[i] == '{', b[i]+2 // in ASCII
	if i = skipSpace(b, i+1); i < len(b) && b[i] == closing {
		return i + 1
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return -1
			}
			if i = scanString(b, i+1); i < 0 {
				return -1
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = skipSpace(b, i+1)
		}
		if i = scanValue(b, i, depth); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case closing:
			return i + 1
		case ',':
			i = skipSpace(b, i+1)
		default:
			return -1
		}
	}
}

func scanWord(b []byte, i int, word string) int {
	if !bytes.HasPrefix(b[i:], []byte(word)) {
		return -1
	}
	return i + len(word)
}

func scanNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	if i = skipDigits(b, i); i == first || b[first] == '0' && i > first+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = skipDigits(b, first); i == first {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = skipDigits(b, first); i == first {
			return -1
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}

// scanString returns the end of the string whose first byte behind the quote is at i.
func scanString(b []byte, i int) int {
	for {
		if i = nextSpecial(b, i); i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		}
		if i++; i >= len(b) { // behind a backslash
			return -1
		}
		switch b[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			if i+5 > len(b) {
				return -1
			}
			for _, c := range b[i+1 : i+5] {
				if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
					return -1
				}
			}
			i += 5
		default:
			return -1
		}
	}
}

// nextSpecial returns the first index from i on of a quote, a backslash or a control
// character, len(b) if there is none.
func nextSpecial(b []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		v := binary.LittleEndian.Uint64(b[i:])
		// The high bit of each byte that is below ' ', or zero behind the xor. Borrows reach
		// only bytes above one that is found, and the lowest counts.
		quote, slash := v^('"'*ones), v^('\\'*ones)
		found := ((v-' '*ones)&^v | (quote-ones)&^quote | (slash-ones)&^slash) & high
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return i
}

// unescape appends what a JSON string holds, given without its quotes, to dst. It is valid
// JSON and valid UTF-8. whole is false if it holds half of a surrogate pair, for which
// U+FFFD stands.
func unescape(dst, inner []byte) (_ []byte, whole bool) {
	whole = true
	for {
		n := bytes.IndexByte(inner, '\\')
		if n < 0 {
			return append(dst, inner...), whole
		}
		dst = append(dst, inner[:n]...)
		c := inner[n+1]
		inner = inner[n+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hexRune(inner[:4])
			inner = inner[4:]
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(inner) >= 6 && inner[0] == '\\' && inner[1] == 'u' {
					pair = utf16.DecodeRune(r, hexRune(inner[2:6]))
				}
				if r = pair; pair == utf8.RuneError {
					whole = false
				} else {
					inner = inner[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}
