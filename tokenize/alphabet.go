package tokenize

// alphabet is the bijection of GPT-2 between bytes and printable characters in which
// tokenizer.json spells byte-level tokens: a space is "Ġ". Bytes that are printable
// in Latin-1 stand for themselves, the others follow from U+0100 in their order.
type alphabet struct {
	char [256]rune
	byte [0x144]int16 // rune -> byte, -1 = not in the alphabet
}

func newAlphabet() *alphabet {
	a := &alphabet{}
	for r := range a.byte {
		a.byte[r] = -1
	}
	next := rune(0x100)
	for b := range a.char {
		r := rune(b)
		if !('!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || 0xAE <= b) {
			r = next
			next++
		}
		a.char[b] = r
		a.byte[r] = int16(b)
	}
	return a
}

// appendBytes appends the bytes that token spells to dst; ok is false, and dst as it
// was, if token has a character outside the alphabet.
func (a *alphabet) appendBytes(dst []byte, token string) (_ []byte, ok bool) {
	start := len(dst)
	for _, r := range token {
		if int(r) >= len(a.byte) || a.byte[r] < 0 {
			return dst[:start], false
		}
		dst = append(dst, byte(a.byte[r]))
	}
	return dst, true
}

// spell returns the token that stands for the bytes.
func (a *alphabet) spell(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = a.char[c]
	}
	return string(runes)
}
