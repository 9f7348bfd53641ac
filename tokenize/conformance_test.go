package tokenize

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestConformance runs the texts that llama.cpp tests tokenizers with through real
// vocabularies. They are too large for the repository, or may not be in it: A3_TOKENIZERS
// names a folder with pairs of NAME.gguf.inp and NAME.gguf.out, and beside each NAME.gguf
// or NAME.json, a tokenizer.json. The golden files test the same code with small vocabularies.
func TestConformance(t *testing.T) {
	folder := os.Getenv("A3_TOKENIZERS")
	if folder == "" {
		t.Skip("A3_TOKENIZERS is not set: real vocabularies are not in the repository")
	}
	inputs, err := filepath.Glob(filepath.Join(folder, "*.gguf.inp"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("A3_TOKENIZERS: no *.gguf.inp in %s (%v)", folder, err)
	}
	for _, input := range inputs {
		path := strings.TrimSuffix(input, ".inp")
		t.Run(filepath.Base(path), func(t *testing.T) {
			var tok *Tokenizer
			if name := strings.TrimSuffix(path, ".gguf") + ".json"; exists(name) {
				var err error
				if tok, err = Load(name); err != nil {
					t.Fatal(err)
				}
			} else if exists(path) {
				tok = readGGUF(t, path)
			} else {
				t.Skip("no vocabulary")
			}
			conform(t, tok, path)
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readGGUF returns the tokenizer of a GGUF file, with the help of Python.
func readGGUF(t *testing.T, path string) *Tokenizer {
	t.Helper()
	interpreter := python(t, "gguf")
	data, err := exec.CommandContext(t.Context(), interpreter, "testdata/metadata.py", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var g GGUF
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	tok, err := FromGGUF(g)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// conform checks the answers for the texts of path.inp, in path.out.
func conform(t *testing.T, tok *Tokenizer, path string) {
	read := func(suffix string) string {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	texts := strings.Split(read(".inp"), "\n__ggml_vocab_test__\n")
	answers := strings.Split(strings.TrimSuffix(read(".out"), "\n"), "\n")
	if texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	if len(texts) != len(answers) || len(texts) < 40 {
		t.Fatalf("%d texts, %d answers", len(texts), len(answers))
	}
	e, again := tok.NewEncoder(), reparse(t, tok).NewEncoder()
	for i, text := range texts {
		var want []int32
		for _, field := range strings.Fields(answers[i]) {
			id, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, int32(id))
		}
		if got := e.AppendDocument(nil, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
		if got := again.AppendDocument(nil, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: as tokenizer.json got %v, want %v", text, got, want)
		}
	}
}
