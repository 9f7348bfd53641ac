package tokenize

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// The benchmarks run on the small vocabulary and text of testdata, so that they need
// nothing else; a warm word cache serves most words, as it does in a long stream.

func BenchmarkEncode(b *testing.B) {
	text := bytes.Repeat(readTestdata(b, "corpus.txt"), 50)
	for _, name := range []string{"gpt2", "llama3", "smollm2", "sentencepiece"} {
		b.Run(name, func(b *testing.B) {
			e := loadTestdata(b, name+".json").NewEncoder()
			var ids []int32
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				ids = e.Append(ids[:0], text)
			}
		})
	}
}

// The side of benchmarks/compare.py that is ours: the documents in A3_BENCH_TEXTS, a JSON
// list, with the tokenizer.json in A3_BENCH_TOKENIZER. The caches start empty in each pass,
// as the library's do in its process; a long stream is a third faster.
func BenchmarkTexts(b *testing.B) {
	path := os.Getenv("A3_BENCH_TEXTS")
	if path == "" {
		b.Skip("A3_BENCH_TEXTS is not set; see benchmarks/README.md")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	var docs []string
	if err := json.Unmarshal(data, &docs); err != nil {
		b.Fatal(err)
	}
	tok, err := Load(os.Getenv("A3_BENCH_TOKENIZER"))
	if err != nil {
		b.Fatal(err)
	}
	var texts [][]byte
	size := 0
	for _, doc := range docs {
		texts = append(texts, []byte(doc))
		size += len(doc)
	}
	var ids []int32
	b.SetBytes(int64(size))
	for b.Loop() {
		e := tok.NewEncoder()
		for _, text := range texts {
			ids = e.AppendWithSpecials(ids[:0], text)
		}
	}
}

// Words that the caches do not hold: every one is merged.
func BenchmarkEncodeUncached(b *testing.B) {
	tok := loadTestdata(b, "llama3.json")
	e := tok.withoutCaches()
	ws := words(Llama3.splitter(), string(readTestdata(b, "corpus.txt")))
	b.SetBytes(int64(len(strings.Join(ws, ""))))
	b.ReportAllocs()
	for b.Loop() {
		for _, w := range ws {
			e.encodeWord([]byte(w))
		}
	}
}

// One word of 200 kB must not take quadratic time.
func BenchmarkEncodeLongWord(b *testing.B) {
	e := loadTestdata(b, "gpt2.json").NewEncoder()
	text := bytes.Repeat([]byte("themiller"), 200_000/9)
	var ids []int32
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		ids = e.Append(ids[:0], text)
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := loadTestdata(b, "llama3.json")
	text := bytes.Repeat(readTestdata(b, "corpus.txt"), 50)
	ids := tok.NewEncoder().Append(nil, text)
	var back []byte
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		back = tok.AppendText(back[:0], ids)
	}
}

func BenchmarkTrain(b *testing.B) {
	docs := corpusDocs(b)
	b.SetBytes(int64(len(bytes.Join(docs, nil))))
	for b.Loop() {
		train(b, smallOptions(), slices.Values(docs))
	}
}

func BenchmarkParse(b *testing.B) {
	data := readTestdata(b, "llama3.json")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
