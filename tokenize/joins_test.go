package tokenize

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// piecesFile returns a tokenizer.json of SentencePiece's kind: unknown, the 256 bytes, the
// tokens, and the merges, "left right", which must be tokens.
func piecesFile(tokens []string, merges ...string) *testFile {
	f := formOf(SentencePiece, prepended)
	file := &testFile{Normalizer: raw(f.normalizer), Decoder: raw(f.decoder)}
	file.Model.Type, file.Model.Merges, file.Model.ByteFallback, file.Model.Unknown = "BPE", []string{}, true, "<unk>"
	file.Model.Vocab = map[string]any{}
	file.addToken("<unk>")
	for b := range 256 {
		file.addToken(pieceOf(byte(b)))
	}
	for _, token := range tokens {
		file.addToken(token)
	}
	if merges != nil {
		file.merges(merges...)
	}
	return file
}

func (f *testFile) parse(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Parse(f.marshal(t))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// The words are divided by |.
func TestJoinSplit(t *testing.T) {
	tok := piecesFile([]string{"▁", "t", "h", "e", "日", "本", "▁t", "he", "▁the", "日本", "e▁"},
		"▁ t", "h e", "▁t he", "日 本", "e ▁").parse(t)
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" the the", " the the"}, // "e " is a token, so that words go on
		{" thx the", " th|x| the"},
		{"日本 日 本日日本", "日本| |日| |本|日日本"}, // 日日 is cut only by its bytes, which 日本 has too
		{"ééé", "é|é|é"},
		{"\xe6\x97\xe6\x97\xa5\x80a", "\xe6\x97|\xe6\x97\xa5\x80|a"},
		{"\n\nthe", "\n|\n|the"},
	} {
		if got := strings.Join(words(tok.split, c.text), "|"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// Merging the words that the join table finds gives what merging all at once gives, for
// vocabularies of any kind: random rules over few characters, of one byte and of three.
func TestJoinSplitIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 100 {
		tokens := []string{"▁", "a", "b", "日", "本", "é"}
		var merges []string
		for range 1 + rng.IntN(25) {
			left, right := tokens[rng.IntN(len(tokens))], tokens[rng.IntN(len(tokens))]
			if joined := left + right; len(joined) < 40 && !slices.Contains(tokens, joined) {
				tokens = append(tokens, joined)
				merges = append(merges, left+" "+right)
			}
		}
		rng.Shuffle(len(merges), func(i, k int) { merges[i], merges[k] = merges[k], merges[i] })
		tok := piecesFile(tokens, merges...).parse(t)
		e := tok.NewEncoder()
		whole := tok.withoutCaches()
		for range 60 {
			var text []byte
			for range rng.IntN(40) {
				text = append(text, []string{" ", "a", "b", "日", "本", "é", "▁", "x", "\xe6", "\n"}[rng.IntN(10)]...)
			}
			want, _ := whole.encodeWord(appendUnmarked(nil, text))
			if got := e.Append(nil, text); !slices.Equal(got, want) {
				t.Fatalf("%q with merges %q: got %v, want %v", text, merges, got, want)
			}
		}
	}
}

// FuzzParsePieces is FuzzParse for SentencePiece vocabularies. The words that a document is
// cut into make no difference either.
func FuzzParsePieces(f *testing.F) {
	vocab := strings.TrimSuffix(string(marshal(f, piecesFile(nil).Model.Vocab)), "}")
	for s := prepended; s <= metaspaceNever; s++ {
		form := formOf(SentencePiece, s)
		f.Add(`[{"id":258,"content":"<x>","normalized":true,"lstrip":true},{"id":0,"content":"<unk>","special":true}]`,
			form.normalizer, form.preTokenizer, form.decoder, `,"▁":257,"▁a":259,"a":260`, `["▁ a"]`, []byte(" a<x>  b▁a\xff"))
	}
	f.Add("[]", "{}", "null", `{"type":"Sequence","decoders":[]}`, `," ":257,"<0x0a>":258`, `[["<0x41>","<0x42>"]]`, []byte("\n"))
	f.Fuzz(func(t *testing.T, added, normalizer, preTokenizer, decoder, moreVocab, merges string, text []byte) {
		tok, err := Parse([]byte(`{"added_tokens":` + added + `,"normalizer":` + normalizer + `,"pre_tokenizer":` + preTokenizer + `,"decoder":` + decoder +
			`,"model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>","vocab":` + vocab + moreVocab + `},"merges":` + merges + `}}`))
		if err != nil || tok.def.spacing == literal {
			return
		}
		spaced := appendUnmarked(nil, text)
		e := tok.NewEncoder()
		ids := e.Append(nil, text)
		if got := tok.AppendText(nil, ids); tok.symbols.complete() && !bytes.Equal(got, spaced) {
			t.Fatalf("%q came back as %q", text, got)
		}
		if k := slices.IndexFunc(ids, tok.IsSpecial); k >= 0 {
			t.Fatalf("%q has the special token %d", text, ids[k])
		}
		if whole, _ := tok.withoutCaches().encodeWord(spaced); !slices.Equal(ids, whole) {
			t.Fatalf("%q: in words %v, as a whole %v", text, ids, whole)
		}
		checkSame(t, tok, reparse(t, tok), text)
	})
}
