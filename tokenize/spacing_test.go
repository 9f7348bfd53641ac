package tokenize

import (
	"slices"
	"strings"
	"testing"
)

// respaced returns the SentencePiece vocabulary of testdata with another spacing.
func respaced(t *testing.T, s spacing) *Tokenizer {
	t.Helper()
	def := loadTestdata(t, "sentencepiece.json").def
	def.spacing = s
	tok, err := newTokenizer(def)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// What is encoded where, a space written as _: the document, and the text between added
// tokens.
func TestSpacing(t *testing.T) {
	const text = "a <s> b</s>▁c"
	for s, want := range map[spacing]struct{ document, specials, prefix, before string }{
		prepended:       {"_a_<s>_b</s>_c", "_a_|__b|__c", "_", "_"},
		replaced:        {"a_<s>_b</s>_c", "a_|_b|_c", "", ""},
		metaspaceFirst:  {"_a_<s>_b</s>_c", "_a_|_b|_c", "_", ""},
		metaspaceAlways: {"_a_<s>_b</s>_c", "_a_|_b|_c", "_", ""},
		metaspaceNever:  {"a_<s>_b</s>_c", "a_|_b|_c", "", ""},
	} {
		tok := respaced(t, s)
		e := tok.NewEncoder()
		shown := func(ids []int32) string {
			var b strings.Builder
			for _, id := range ids {
				if tok.IsSpecial(id) {
					b.WriteByte('|')
				} else {
					b.Write(tok.Bytes(id))
				}
			}
			return strings.ReplaceAll(b.String(), " ", "_")
		}
		if got := shown(e.AppendDocument(nil, []byte(text))); got != want.document {
			t.Errorf("spacing %d: document %q, want %q", s, got, want.document)
		}
		if got := shown(e.AppendWithSpecials(nil, []byte(text))); got != want.specials {
			t.Errorf("spacing %d: with specials %q, want %q", s, got, want.specials)
		}
		if got := shown(e.Append(nil, []byte(text))); got != "a_<s>_b</s>_c" {
			t.Errorf("spacing %d: piece %q has more than its text", s, got)
		}
		for text, prefix := range map[string]string{"": want.prefix, "a": want.prefix, " a": want.before, "▁a": want.before} {
			if got := strings.ReplaceAll(tok.Prefix([]byte(text)), " ", "_"); got != prefix {
				t.Errorf("spacing %d: the prefix of %q is %q, want %q", s, text, got, prefix)
			}
		}
		if ids := e.AppendDocument(nil, nil); len(ids) != 0 {
			t.Errorf("spacing %d: an empty document has the ids %v", s, ids)
		}
	}
}

// Bytes of tokens are text: markers are spaces, byte tokens are bytes.
func TestPieceBytes(t *testing.T) {
	tok := piecesFile([]string{"▁the", "é", "<0x0a>", "<0xZZ>"}).parse(t)
	for id, want := range map[int32]string{1: "\x00", 11: "\n", 256: "\xff", 257: " the", 258: "é", 259: "\n", 260: "<0xZZ>"} {
		if got := tok.Bytes(id); string(got) != want {
			t.Errorf("token %d is %q, want %q", id, got, want)
		}
	}
	if got := tok.TokensStartingWith(' '); len(got) != 2 || got[0] != 33 || got[1] != 257 {
		t.Errorf("tokens that start with a space: %v", got)
	}
}

// A space of the text is a marker when its token is looked up, so that a token " " never
// is; and a byte's token is the one in upper case.
func TestPiecesThatAreNotLookedUp(t *testing.T) {
	tok := piecesFile([]string{"▁", " ", "<0x0a>"}).parse(t)
	if ids := tok.NewEncoder().Append(nil, []byte(" \n")); !slices.Equal(ids, []int32{257, 11}) {
		t.Errorf("ids %v, want those of the marker and of <0x0A>", ids)
	}
}

// Text that spells a byte token stays text, even where merges lead to it.
func TestTextCannotForgeBytes(t *testing.T) {
	tok := piecesFile([]string{"<", "0", "x", "A", ">", "<0", "<0x", "<0x0", "<0x0A"}, "< 0", "<0 x", "<0x 0", "<0x0 A", "<0x0A >").parse(t)
	if got := tok.AppendText(nil, tok.NewEncoder().Append(nil, []byte("<0x0A>"))); string(got) != "<0x0A>" {
		t.Errorf("came back as %q", got)
	}
}

func TestLargeDocumentsReleaseTheirMemory(t *testing.T) {
	e := respaced(t, prepended).NewEncoder()
	e.AppendDocument(nil, []byte(strings.Repeat("the cat ", maxSpaced)))
	e.AppendDocument(nil, []byte("the cat"))
	if cap(e.spaced) > maxSpaced {
		t.Errorf("a buffer of %d bytes is kept", cap(e.spaced))
	}
}
