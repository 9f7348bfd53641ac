package tokenize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// symbols says which tokens the characters of a text are before any merge.
type symbols struct {
	byteID  [256]int32           // byte -> the token of that byte, -1 = none
	runes   map[rune]int32       // character -> its token; nil if bytes are the symbols
	asciiID [utf8.RuneSelf]int32 // the same for the frequent ones, -1 = none
}

func newSymbols() symbols {
	var s symbols
	for b := range s.byteID {
		s.byteID[b] = -1
	}
	for r := range s.asciiID {
		s.asciiID[r] = -1
	}
	return s
}

// complete reports whether any text has symbols.
func (s *symbols) complete() bool { return !slices.Contains(s.byteID[:], -1) }

// addText sets the bytes of the next token.
func (t *Tokenizer) addText(text []byte) {
	t.text = append(t.text, text...)
	t.ends = append(t.ends, uint32(len(t.text)))
}

// setBytes finds the tokens' bytes in a byte-level vocabulary.
func (t *Tokenizer) setBytes(content []string) error {
	if t.def.ignoreMerges {
		t.words = make(map[string]int32, len(t.def.tokens))
	}
	s := newSymbols()
	spelling := newAlphabet()
	var text []byte
	for id, token := range t.def.tokens {
		var ok bool
		if text, ok = spelling.appendBytes(text[:0], token); !ok || t.special[id] {
			// As it is written; Hugging Face decodes tokens outside the alphabet so too.
			t.addText([]byte(cmp.Or(token, content[id])))
			continue
		}
		t.addText(text)
		if t.words != nil {
			t.words[string(text)] = int32(id)
		}
		if len(text) == 1 {
			s.byteID[text[0]] = int32(id)
		}
	}
	t.symbols = s
	switch {
	case slices.Max(s.byteID[:]) < 0:
		return errors.New("model.vocab: no byte has a token; that is no byte-level vocabulary")
	case t.def.byteFallback && !s.complete():
		return errors.New("model.byte_fallback: true is not supported with ByteLevel where bytes have no token")
	}
	return nil
}

// setPieces finds the tokens' bytes in a SentencePiece vocabulary.
func (t *Tokenizer) setPieces(content []string) error {
	switch {
	case t.def.ignoreMerges:
		return errors.New("model.ignore_merges: true is not supported without a byte-level pre_tokenizer")
	case !t.def.byteFallback:
		return errors.New("model.byte_fallback: false is not supported without a byte-level pre_tokenizer: text would be lost")
	}
	s := newSymbols()
	s.runes = map[rune]int32{}
	var text []byte
	for id, token := range t.def.tokens {
		b, isByte := pieceByte(token)
		if isByte {
			text = append(text[:0], b)
		} else {
			text = appendUnmarked(text[:0], []byte(cmp.Or(token, content[id])))
		}
		t.addText(text)
		r, n := utf8.DecodeRune(text)
		switch {
		case t.special[id] || token == " ": // a space of the text is a marker when tokens are looked up
		case isByte && token == pieceOf(b): // only this spelling is looked up
			s.byteID[b] = int32(id)
		case !isByte && n == len(text):
			s.runes[r] = int32(id)
			if r < utf8.RuneSelf {
				s.asciiID[r] = int32(id)
			}
		}
	}
	t.symbols = s
	if len(s.runes) == 0 && slices.Max(s.byteID[:]) < 0 {
		return errors.New("model.vocab: neither a character nor a byte has a token; that is no SentencePiece vocabulary")
	}
	return nil
}

// pieceByte returns the byte that a token such as <0x0A> stands for.
func pieceByte(token string) (b byte, ok bool) {
	if len(token) != 6 || !strings.HasPrefix(token, "<0x") || token[5] != '>' {
		return 0, false
	}
	n, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(n), err == nil
}

// pieceOf returns the token for a byte.
func pieceOf(b byte) string { return fmt.Sprintf("<0x%02X>", b) }
