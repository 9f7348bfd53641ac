package tokenize

import (
	"bytes"
	"slices"
	"testing"
)

func reparse(t testing.TB, tok *Tokenizer) *Tokenizer {
	t.Helper()
	data, err := tok.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(data)
	if err != nil {
		t.Fatalf("what JSON wrote is refused: %v", err)
	}
	return again
}

// checkSame reports any difference that a caller could see.
func checkSame(t testing.TB, a, b *Tokenizer, texts ...[]byte) {
	t.Helper()
	if a.Vocab() != b.Vocab() || a.bos != b.bos || a.eos != b.eos {
		t.Fatalf("vocabulary %d and %d, BOS %d and %d, EOS %d and %d", a.Vocab(), b.Vocab(), a.bos, b.bos, a.eos, b.eos)
	}
	for id := range int32(a.Vocab()) {
		if !bytes.Equal(a.Bytes(id), b.Bytes(id)) || a.IsSpecial(id) != b.IsSpecial(id) {
			t.Fatalf("token %d: %q special %t, and %q special %t", id, a.Bytes(id), a.IsSpecial(id), b.Bytes(id), b.IsSpecial(id))
		}
	}
	ea, eb := a.NewEncoder(), b.NewEncoder()
	for _, text := range texts {
		if x, y := ea.Append(nil, text), eb.Append(nil, text); !slices.Equal(x, y) {
			t.Fatalf("%q: %v and %v", text, x, y)
		}
		if x, y := ea.AppendWithSpecials(nil, text), eb.AppendWithSpecials(nil, text); !slices.Equal(x, y) {
			t.Fatalf("%q with specials: %v and %v", text, x, y)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	var texts [][]byte
	for _, text := range readGolden(t).Texts {
		texts = append(texts, []byte(text))
	}
	for _, name := range []string{"gpt2.json", "llama3.json", "smollm2.json", "qwen2.json", "added.json", "sentencepiece.json"} {
		tok := loadTestdata(t, name)
		checkSame(t, tok, reparse(t, tok), texts...)
	}
	// Holes, tokens outside the alphabet, an EOS in the template, characters that JSON escapes.
	tok := parseWith(t, func(f *testFile) {
		f.Model.Vocab["a b & <c>"] = 300
		f.added(testAdded{ID: 256, Content: "<x>", Special: true}, testAdded{ID: 310, Content: "\"\\\n☺", Special: false})
		f.PostProcessor = templateOf(`{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<x>","type_id":0}}`)
	})
	if eos, ok := tok.EOS(); !ok || eos != 256 {
		t.Errorf("EOS %d %t, want the template's 256", eos, ok)
	}
	checkSame(t, tok, reparse(t, tok), []byte("a b & <c> \"\\\n☺"))
}

func TestTokens(t *testing.T) {
	tok := parseWith(t, func(f *testFile) {
		f.addToken("Ġthe")
		f.Model.Vocab["☺"] = 260 // outside the alphabet; 257 to 259 name nothing
		f.added(testAdded{ID: 261, Content: "Ġ<é>", Special: true}, testAdded{ID: 262, Content: " x", Special: false}, tokenOf(f, "Ġthe", false))
	})
	if tok.Vocab() != 263 {
		t.Errorf("vocabulary of %d", tok.Vocab())
	}
	for _, c := range []struct {
		id      int32
		bytes   string
		special bool
	}{
		{-1, "", true},
		{0, "\x00", false},
		{256, " the", false},
		{258, "", true},
		{260, "☺", false},
		{261, "Ġ<é>", true},
		{262, " x", true}, // text never becomes it
		{263, "", true},
	} {
		if got := tok.Bytes(c.id); string(got) != c.bytes || tok.IsSpecial(c.id) != c.special {
			t.Errorf("token %d: %q special %t, want %q special %t", c.id, got, tok.IsSpecial(c.id), c.bytes, c.special)
		}
	}
	if got := tok.AppendText(nil, []int32{-1, 256, 258, 1 << 30, 261}); string(got) != " theĠ<é>" {
		t.Errorf("AppendText: %q", got)
	}
	if got := tok.TokensStartingWith(' '); !slices.Equal(got, []int32{32, 256}) {
		t.Errorf("tokens that start with a space: %v", got)
	}
}

func TestDocumentEndsByName(t *testing.T) {
	for _, c := range []struct {
		added    []testAdded
		bos, eos int32
	}{
		{nil, -1, -1},
		{[]testAdded{{ID: 256, Content: "<|endoftext|>", Special: true}}, -1, 256},
		{[]testAdded{{ID: 256, Content: "</s>", Special: true}, {ID: 257, Content: "<s>", Special: true}}, 257, 256},
		{[]testAdded{{ID: 256, Content: "<|endoftext|>", Special: true}, {ID: 257, Content: "<|eos|>", Special: true}}, -1, 257},
		{[]testAdded{{ID: 256, Content: "<s>"}}, -1, -1}, // not special
	} {
		tok := parseWith(t, func(f *testFile) { f.added(c.added...) })
		bos, okB := tok.BOS()
		eos, okE := tok.EOS()
		if bos != c.bos || eos != c.eos || okB != (c.bos >= 0) || okE != (c.eos >= 0) {
			t.Errorf("%v: BOS %d %t, EOS %d %t", c.added, bos, okB, eos, okE)
		}
		want := c.bos
		if want < 0 {
			want = c.eos
		}
		if start, ok := tok.Start(); start != want || ok != (want >= 0) {
			t.Errorf("%v: documents start with %d %t, want %d", c.added, start, ok, want)
		}
	}
}
