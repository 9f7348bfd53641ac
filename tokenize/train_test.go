package tokenize

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
)

func corpusDocs(t testing.TB) [][]byte {
	return bytes.Split(readTestdata(t, "corpus.txt"), []byte("\n\n"))
}

func smallOptions(change ...func(*TrainOptions)) TrainOptions {
	o := DefaultTrainOptions()
	o.Vocab = 400
	for _, f := range change {
		f(&o)
	}
	return o
}

func train(t testing.TB, o TrainOptions, docs iter.Seq[[]byte]) *Tokenizer {
	t.Helper()
	tok, err := Train(t.Context(), o, docs)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestTrainedTokenizer(t *testing.T) {
	docs := corpusDocs(t)
	for p := GPT2; p.trainable(); p++ {
		o := smallOptions(func(o *TrainOptions) { o.Pipeline, o.Special = p, []string{"<|pad|>", "☺"} })
		tok := train(t, o, slices.Values(docs))
		if tok.Vocab() != o.Vocab {
			t.Errorf("%v: vocabulary of %d, want %d", p, tok.Vocab(), o.Vocab)
		}
		bos, okB := tok.BOS()
		eos, okE := tok.EOS()
		if !okB || !okE || string(tok.Bytes(bos)) != "<|bos|>" || string(tok.Bytes(eos)) != "<|eos|>" {
			t.Errorf("%v: BOS %d %t, EOS %d %t", p, bos, okB, eos, okE)
		}
		if got := tok.AppendText(nil, []int32{0, 1, 2, 3}); string(got) != "<|bos|><|eos|><|pad|>☺" {
			t.Errorf("%v: special tokens are %q", p, got)
		}
		e := tok.NewEncoder()
		for id := range int32(tok.Vocab()) {
			if tok.IsSpecial(id) != (id < 4) {
				t.Errorf("%v: token %d special %t", p, id, tok.IsSpecial(id))
			}
			if id < 4 {
				continue
			}
			// No token is dead: each is what its own bytes become, alone.
			if ids := e.Append(nil, tok.Bytes(id)); !slices.Equal(ids, []int32{id}) {
				t.Errorf("%v: the bytes of token %d, %q, become %v", p, id, tok.Bytes(id), ids)
			}
		}
		checkSame(t, tok, reparse(t, tok), docs...)
	}
}

func TestTrainingIgnoresTheOrderOfDocuments(t *testing.T) {
	docs := corpusDocs(t)
	want, err := train(t, smallOptions(), slices.Values(docs)).JSON()
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(docs)
	for range 3 {
		got, err := train(t, smallOptions(), slices.Values(docs)).JSON()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("the vocabulary depends on the order of documents")
		}
	}
}

func TestTrainingMayReuseTheDocument(t *testing.T) {
	docs := corpusDocs(t)
	reused := func(yield func([]byte) bool) {
		var buf []byte
		for _, d := range docs {
			buf = append(buf[:0], d...)
			if !yield(buf) {
				return
			}
			for i := range buf {
				buf[i] = '#'
			}
		}
	}
	checkSame(t, train(t, smallOptions(), reused), train(t, smallOptions(), slices.Values(docs)), docs...)
}

func TestTrainingStopsWhereNothingIsFrequent(t *testing.T) {
	docs := [][]byte{[]byte("ab ab cd ab")}
	for _, c := range []struct{ minCount, tokens int }{
		{1, 4}, // ab, " ab", " c" or "cd", " cd"
		{2, 2}, // ab, " ab"
		{3, 1}, // ab
		{4, 0},
	} {
		tok := train(t, smallOptions(func(o *TrainOptions) { o.MinCount = c.minCount }), slices.Values(docs))
		if got := tok.Vocab() - 258; got != c.tokens {
			t.Errorf("minimum count %d: %d merges, want %d", c.minCount, got, c.tokens)
		}
	}
	if tok := train(t, smallOptions(), slices.Values([][]byte(nil))); tok.Vocab() != 258 {
		t.Errorf("no documents: vocabulary of %d, want 258", tok.Vocab())
	}
}

// Two pairs may spell one token; Hugging Face gives it one id, and so do we.
func TestTrainingGivesOneIDToOneSpelling(t *testing.T) {
	docs := [][]byte{[]byte(strings.Repeat("abc ab xab xbc bcd bc yabcd zab zbcd ", 9))}
	tok := train(t, smallOptions(), slices.Values(docs))
	seen := map[string]bool{}
	for id := range int32(tok.Vocab()) {
		if s := string(tok.Bytes(id)); seen[s] {
			t.Errorf("%q has two ids", s)
		} else {
			seen[s] = true
		}
	}
	pairs := map[uint64]bool{}
	for _, m := range tok.def.merges {
		if p := pairOf(m.left, m.right); pairs[p] {
			t.Errorf("two merges for %q and %q", tok.Bytes(m.left), tok.Bytes(m.right))
		} else {
			pairs[p] = true
		}
	}
	checkSame(t, tok, reparse(t, tok), docs...)
}

func TestTrainWithoutSpecials(t *testing.T) {
	tok := train(t, smallOptions(func(o *TrainOptions) { o.BOS, o.EOS = "", "" }), slices.Values(corpusDocs(t)))
	if _, ok := tok.BOS(); ok {
		t.Error("there is a BOS")
	}
	if _, ok := tok.EOS(); ok {
		t.Error("there is an EOS")
	}
	checkSame(t, tok, reparse(t, tok))
	one := train(t, smallOptions(func(o *TrainOptions) { o.BOS, o.EOS = "<|endoftext|>", "<|endoftext|>" }), slices.Values(corpusDocs(t)))
	if one.bos != 0 || one.eos != 0 || one.IsSpecial(1) {
		t.Errorf("BOS %d, EOS %d, token 1 special %t", one.bos, one.eos, one.IsSpecial(1))
	}
	checkSame(t, one, reparse(t, one))
}

func TestTrainOptionsValidate(t *testing.T) {
	if err := DefaultTrainOptions().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for _, c := range []struct {
		name   string
		change func(*TrainOptions)
		want   string
	}{
		{"pipeline", func(o *TrainOptions) { o.Pipeline = 9 }, "Pipeline(9)"},
		{"count", func(o *TrainOptions) { o.MinCount = -1 }, "-1"},
		{"small vocabulary", func(o *TrainOptions) { o.Vocab = 257 }, "257"},
		{"large vocabulary", func(o *TrainOptions) { o.Vocab = MaxVocab + 1 }, "1048577"},
		{"empty special", func(o *TrainOptions) { o.Special = []string{""} }, "empty"},
		{"special twice", func(o *TrainOptions) { o.Special = []string{"<|bos|>"} }, "<|bos|>"},
		{"special is a byte", func(o *TrainOptions) { o.Special = []string{"Ġ"} }, "Ġ"},
		{"special is not UTF-8", func(o *TrainOptions) { o.Special = []string{"\xff"} }, "UTF-8"},
		{"unknown EOS", func(o *TrainOptions) { o.EOS = "END" }, "END"},
		{"hidden EOS", func(o *TrainOptions) { o.EOS, o.Special = "</s>", []string{"<|endoftext|>"} }, "</s>"},
	} {
		o := smallOptions(c.change)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not mention %q", c.name, err, c.want)
		}
		if _, err := Train(t.Context(), o, slices.Values(corpusDocs(t))); err == nil {
			t.Errorf("%s: Train accepted it", c.name)
		}
	}
}

func TestTrainIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	endless := func(yield func([]byte) bool) {
		for yield([]byte("the cat")) {
			if n++; n == 3 {
				cancel()
			}
		}
	}
	if _, err := Train(ctx, smallOptions(), endless); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want cancellation", err)
	}
}
