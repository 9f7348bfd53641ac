package tokenize

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The golden files are what Hugging Face's library answers; testdata/make_golden.py
// made them.
type golden struct {
	MadeBy  string            `json:"made_by"`
	Classes map[string]string `json:"classes"`
	Texts   []string          `json:"texts"`
	GPT2    goldenIDs         `json:"gpt2"`
	Llama3  goldenIDs         `json:"llama3"`
	SmolLM2 goldenIDs         `json:"smollm2"`
	Added   goldenIDs         `json:"added"`
}

type goldenIDs struct {
	Plain    [][]int32 `json:"plain"`    // nothing in the text is a special token
	Specials [][]int32 `json:"specials"` // added tokens are recognised
}

func readGolden(t testing.TB) golden {
	t.Helper()
	var g golden
	if err := json.Unmarshal(readTestdata(t, "golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Texts) == 0 {
		t.Fatal("golden.json has no texts")
	}
	return g
}

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func loadTestdata(t testing.TB, name string) *Tokenizer {
	t.Helper()
	tok, err := Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestIDsEqualHuggingFace(t *testing.T) {
	g := readGolden(t)
	for _, c := range []struct {
		file string
		want goldenIDs
	}{
		{"gpt2.json", g.GPT2},
		{"llama3.json", g.Llama3},
		{"smollm2.json", g.SmolLM2},
		{"added.json", g.Added},
	} {
		t.Run(c.file, func(t *testing.T) {
			e := loadTestdata(t, c.file).NewEncoder()
			for i, text := range g.Texts {
				if c.want.Plain != nil {
					if got := e.Append(nil, []byte(text)); !slices.Equal(got, c.want.Plain[i]) {
						t.Errorf("%q: got %v, want %v", text, got, c.want.Plain[i])
					}
				}
				if got := e.AppendWithSpecials(nil, []byte(text)); !slices.Equal(got, c.want.Specials[i]) {
					t.Errorf("%q with specials: got %v, want %v", text, got, c.want.Specials[i])
				}
			}
		})
	}
}

func TestTrainingEqualsHuggingFace(t *testing.T) {
	corpus := bytes.Split(readTestdata(t, "corpus.txt"), []byte("\n\n"))
	for p := GPT2; p.valid(); p++ {
		t.Run(p.String(), func(t *testing.T) {
			opts := DefaultTrainOptions()
			opts.Vocab, opts.Pipeline = 420, p
			tok, err := Train(t.Context(), opts, slices.Values(corpus))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tok.JSON()
			if err != nil {
				t.Fatal(err)
			}
			want := readTestdata(t, p.String()+".json")
			if g, w := indent(t, got), indent(t, want); g != w {
				t.Errorf("tokenizer.json differs from Hugging Face's at %s", firstDifference(g, w))
			}
		})
	}
}

func indent(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", " "); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got " + g[i] + ", want " + w[i] + " after " + strings.Join(g[max(0, i-3):i], "")
		}
	}
	return "the end of the shorter"
}

func TestClassesEqualHuggingFace(t *testing.T) {
	g := readGolden(t)
	for name, table := range map[string]*classTable{"regex": regexClasses(), "digits": digitsClasses()} {
		classes := make([]byte, unicode.MaxRune+1)
		for r := range classes {
			if utf8.ValidRune(rune(r)) {
				text := utf8.AppendRune(nil, rune(r))
				c, end := table.at(text, 0)
				if end != len(text) {
					t.Fatalf("U+%04X: %d bytes, want %d", r, end, len(text))
				}
				classes[r] = byte(c)
			}
		}
		sum := sha256.Sum256(classes)
		if got := hex.EncodeToString(sum[:]); got != g.Classes[name] {
			t.Errorf("%s classes of all code points differ from those of %s (digest %s); Go's tables are those of Unicode %s, class.go adds to 15.0.0",
				name, g.MadeBy, got, unicode.Version)
		}
	}
}
