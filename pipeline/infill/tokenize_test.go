package infill_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/tokenize"
)

var (
	_ infill.Tokenizer = (*tokenize.Tokenizer)(nil)
	_ infill.Encoder   = (*tokenize.Encoder)(nil)
)

// With the real tokenizer, blanks that are filled with the tokens of the text they
// replaced give that text back: the edges of a blank lose and double nothing.
func TestRefillingWithTheSameWords(t *testing.T) {
	text := []byte("The little duck swam to the little boat. The duck said: \"Hello, little boat!\"  And the boat said nothing.")
	opts := tokenize.DefaultTrainOptions()
	opts.Vocab = 340
	tok, err := tokenize.Train(context.Background(), opts, slices.Values([][]byte{text, text}))
	if err != nil {
		t.Fatal(err)
	}
	enc := tok.NewEncoder()
	codec := newCodec(t, tok, 0)
	for start := range text {
		for end := start + 1; end <= min(len(text), start+12); end++ {
			whole := text[start:end]
			if start > 0 && text[start-1] == ' ' {
				whole = text[start-1 : end]
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
