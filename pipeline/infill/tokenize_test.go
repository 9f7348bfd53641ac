package infill_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/tokenize"
)

var (
	_ infill.Tokenizer = (*tokenize.Tokenizer)(nil)
	_ infill.Encoder   = (*tokenize.Encoder)(nil)
)

// tokenizers returns a byte-level vocabulary and one of SentencePiece's kind, in which a
// space stands, unseen, before a document.
func tokenizers(t *testing.T, text []byte) map[string]*tokenize.Tokenizer {
	t.Helper()
	opts := tokenize.DefaultTrainOptions()
	opts.Vocab = 340
	bytes, err := tokenize.Train(context.Background(), opts, slices.Values([][]byte{text, text}))
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := tokenize.Load("../../tokenize/testdata/sentencepiece.json")
	if err != nil {
		t.Fatal(err)
	}
	if prefix := pieces.Prefix(text); prefix != " " {
		t.Fatalf("the prefix is %q, want a space", prefix)
	}
	return map[string]*tokenize.Tokenizer{"bytes": bytes, "pieces": pieces}
}

// With real tokenizers, blanks that are filled with the tokens of the text they
// replaced give that text back: the edges of a blank lose and double nothing, nor does
// the beginning of a document.
func TestRefillingWithTheSameWords(t *testing.T) {
	text := []byte("The little duck swam to the little boat. The duck said: \"Hello, little boat!\"  And the boat said nothing.\n")
	for name, tok := range tokenizers(t, text) {
		t.Run(name, func(t *testing.T) { refill(t, tok, text) })
		t.Run(name+"/space first", func(t *testing.T) { refill(t, tok, append([]byte(" "), text[:40]...)) })
	}
}

func refill(t *testing.T, tok *tokenize.Tokenizer, text []byte) {
	enc := tok.NewEncoder()
	codec := newCodec(t, tok, 0)
	for start := range text {
		for end := start + 1; end <= min(len(text), start+12); end++ {
			whole := text[start:end]
			if start > 0 && text[start-1] == ' ' {
				whole = text[start-1 : end]
			} else if start == 0 {
				whole = append([]byte(tok.Prefix(nil)), whole...)
			}
			ids := enc.Append(nil, whole)
			raw, err := json.Marshal(map[string]any{"text": string(text), "blanks": []any{map[string]int{"start": start, "end": end, "tokens": len(ids)}}})
			if err != nil {
				t.Fatal(err)
			}
			task, err := codec.Encode(enc, parse(t, string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			res := &infill.Result{Tokens: slices.Clone(task.Canvas.Tokens), LogProb: make([]float64, task.Canvas.Len()), Order: make([]int32, task.Canvas.Len())}
			for i, p := range task.Canvas.Blanks() {
				res.Tokens[p] = ids[i]
			}
			for _, c := range task.Constraints {
				if !slices.Contains(tok.TokensStartingWith(' '), res.Tokens[c.Position]) {
					t.Fatalf("bytes %d to %d: token %d of the training text breaks the constraint", start, end, res.Tokens[c.Position])
				}
			}
			line, err := codec.Output(task, res)
			if err != nil {
				t.Fatal(err)
			}
			var out outRecord
			if err := json.Unmarshal(line, &out); err != nil {
				t.Fatal(err)
			}
			if out.Text != string(text) || out.Blanks[0].Start != start || out.Blanks[0].End != end {
				t.Fatalf("bytes %d to %d: got %s", start, end, line)
			}
		}
	}
}

// A document without blanks is what its tokenizer makes of it, between BOS and EOS.
func TestWholeDocument(t *testing.T) {
	text := []byte("The little duck  swam.\n ")
	for name, tok := range tokenizers(t, text) {
		enc := tok.NewEncoder()
		rec, err := record.Parse([]byte(marshalText(t, string(text))), record.Schema{}, record.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		task, err := newCodec(t, tok, 0).Encode(enc, &infill.Document{Record: rec, Text: rec.Text})
		if err != nil {
			t.Fatal(err)
		}
		bos, _ := tok.BOS()
		eos, _ := tok.EOS()
		if want := append(enc.AppendDocument([]int32{bos}, text), eos); !slices.Equal(task.Canvas.Tokens, want) {
			t.Errorf("%s: %v, want %v", name, task.Canvas.Tokens, want)
		}
	}
}

// In a SentencePiece vocabulary the space before a document goes to the piece that begins
// it: the given text, or the first token of a blank, which must then start with a space.
func TestSpaceBeforeTheDocument(t *testing.T) {
	tok := tokenizers(t, []byte("a a"))["pieces"]
	enc := tok.NewEncoder()
	for _, c := range []struct {
		text   string
		given  string // all given tokens, decoded
		folded bool   // the first blank's token starts with a space
	}{
		{"{{blank:1}} cat", " cat", true},
		{"{{blank:1}}", "", true},
		{"{{blank:1}}{{blank:1}}", "", true},
		{"the{{blank:1}} cat", " the cat", false},
		{"the {{blank:1}} cat", " the cat", true},
		{" {{blank:1}}", " ", true},
		{"\n{{blank:1}}", " \n", false},
	} {
		task, err := newCodec(t, tok, 0).Encode(enc, parse(t, marshalText(t, c.text)))
		if err != nil {
			t.Fatal(err)
		}
		var given []int32
		for p, id := range task.Canvas.Tokens {
			if !task.Canvas.Blank[p] && !tok.IsSpecial(id) {
				given = append(given, id)
			}
		}
		if got := string(tok.AppendText(nil, given)); got != c.given {
			t.Errorf("%q: given tokens spell %q, want %q", c.text, got, c.given)
		}
		first := int32(task.Canvas.Blanks()[0])
		if got := slices.Contains(task.Constraints, infill.Constraint{Position: first, Kind: infill.LeadingSpace}); got != c.folded {
			t.Errorf("%q: folded %t, want %t", c.text, got, c.folded)
		}
	}
}

func marshalText(t *testing.T, text string) string {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Replaced text of which no byte has a token still leaves a position to fill.
func TestReplacedTextWithoutTokens(t *testing.T) {
	tok, err := tokenize.Load("../../tokenize/testdata/sparse.json") // 0x04 has no token
	if err != nil {
		t.Fatal(err)
	}
	doc := parse(t, `{"text":"a\u0004b","blanks":[{"start":1,"end":2}]}`)
	doc.Blanks[0].Tokens = 0 // as many as the replaced text has
	task, err := newCodec(t, tok, 0).Encode(tok.NewEncoder(), doc)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(task.Canvas.Blanks()); n != 1 {
		t.Errorf("%d positions to fill, want 1", n)
	}
}

// Given text that spells a special token stays text.
func TestGivenTextCannotForgeSpecialTokens(t *testing.T) {
	opts := tokenize.DefaultTrainOptions()
	opts.Vocab = 300
	tok, err := tokenize.Train(context.Background(), opts, slices.Values([][]byte{[]byte("a a a")}))
	if err != nil {
		t.Fatal(err)
	}
	task, err := newCodec(t, tok, 0).Encode(tok.NewEncoder(), parse(t, `{"text":"<|eos|>{{blank:1}}<|bos|>"}`))
	if err != nil {
		t.Fatal(err)
	}
	var given []int32
	for p, id := range task.Canvas.Tokens {
		if !task.Canvas.Blank[p] && !tok.IsSpecial(id) {
			given = append(given, id)
		}
	}
	if got, want := string(tok.AppendText(nil, given)), "<|eos|><|bos|>"; got != want {
		t.Errorf("given text is %q on the canvas, want %q", got, want)
	}
	if specials := task.Canvas.Len() - 1 - len(given); specials != 2 {
		t.Errorf("%d special tokens, want BOS and EOS", specials)
	}
}
