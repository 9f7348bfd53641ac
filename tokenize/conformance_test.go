package tokenize

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestGPT2Conformance runs the texts that llama.cpp tests tokenizers with through
// the real GPT-2 vocabulary. The vocabulary is too large for the repository: set
// A3_DATA to a folder with tokenizers/gpt2_encoder.json, tokenizers/gpt2_vocab.bpe and
// tokenizers/ggml-vocab-gpt-2.gguf.{inp,out}. The golden files test the same code with
// small vocabularies.
func TestGPT2Conformance(t *testing.T) {
	root := os.Getenv("A3_DATA")
	if root == "" {
		t.Skip("A3_DATA is not set: the GPT-2 vocabulary is not in the repository")
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, "tokenizers", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var vocab map[string]int32
	if err := json.Unmarshal([]byte(read("gpt2_encoder.json")), &vocab); err != nil {
		t.Fatal(err)
	}
	_, merges, _ := strings.Cut(read("gpt2_vocab.bpe"), "\n") // the first line is a comment
	file, err := json.Marshal(map[string]any{
		"added_tokens":  []any{map[string]any{"id": 50256, "content": "<|endoftext|>", "special": true}},
		"pre_tokenizer": json.RawMessage(formOf(GPT2, literal).preTokenizer),
		"model":         map[string]any{"vocab": vocab, "merges": strings.Split(strings.TrimSpace(merges), "\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if eos, ok := tok.EOS(); tok.Vocab() != 50257 || !ok || eos != 50256 {
		t.Errorf("vocabulary %d, EOS %d %t", tok.Vocab(), eos, ok)
	}
	if bos, ok := tok.BOS(); ok {
		t.Errorf("BOS is %d, want none", bos)
	}

	texts := strings.Split(read("ggml-vocab-gpt-2.gguf.inp"), "\n__ggml_vocab_test__\n")
	answers := strings.Split(strings.TrimSuffix(read("ggml-vocab-gpt-2.gguf.out"), "\n"), "\n")
	if texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	if len(texts) != len(answers) || len(texts) < 40 {
		t.Fatalf("%d texts, %d answers", len(texts), len(answers))
	}
	e := tok.NewEncoder()
	for i, text := range texts {
		var want []int32
		for _, field := range strings.Fields(answers[i]) {
			id, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, int32(id))
		}
		if got := e.Append(nil, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
