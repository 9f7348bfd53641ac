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
	Options []struct {
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		Lstrip     bool   `json:"lstrip"`
		Rstrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
		Special    bool   `json:"special"`
	} `json:"options"` // added tokens
	IDs map[string]goldenIDs `json:"ids"` // by the name of the tokenizer
}

type goldenIDs struct {
	Plain    [][]int32      `json:"plain"`    // nothing in the text is a special token; nil = not asked for
	Decoded  map[int]string `json:"decoded"`  // what plain is decoded to, where it is not the text
	Specials [][]int32      `json:"specials"` // added tokens are recognised
}

func readGolden(t testing.TB) golden {
	t.Helper()
	var g golden
	if err := json.Unmarshal(readTestdata(t, "golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Texts) == 0 || len(g.IDs) == 0 {
		t.Fatal("golden.json is empty")
	}
	return g
}

// tokenizer returns the tokenizer of a name in IDs, FILE[/CHANGE...].
func (g *golden) tokenizer(t testing.TB, name string) *Tokenizer {
	t.Helper()
	changes := strings.Split(name, "/")
	def := loadTestdata(t, changes[0]+".json").def
	for _, change := range changes[1:] {
		switch change {
		case "prepended":
			def.spacing = prepended
		case "replaced":
			def.spacing = replaced
		case "metaspace_first":
			def.spacing = metaspaceFirst
		case "metaspace_always":
			def.spacing = metaspaceAlways
		case "metaspace_never":
			def.spacing = metaspaceNever
		case "unknown":
			def.unknown = int32(slices.Index(def.tokens, "!"))
		case "fused":
			def.fuseUnknown = true
		case "sparse": // without the bytes 0x80 to 0x9F; the ids behind them move up
			def = withoutTokens(def, func(token string) bool {
				b, ok := pieceByte(token)
				return ok && b&0xE0 == 0x80
			})
			def.fuseUnknown = false
		case "options":
			def.added, def.tokens = slices.Clone(def.added), slices.Clone(def.tokens)
			for _, o := range g.Options {
				id := slices.Index(def.tokens, o.Content)
				if id < 0 {
					id = len(def.tokens)
					def.tokens = append(def.tokens, "")
				}
				def.added = append(def.added, addedToken{o.Content, int32(id), o.Special, o.Normalized, o.SingleWord, o.Lstrip, o.Rstrip})
			}
		default:
			t.Fatalf("golden.json: %q: unknown change", name)
		}
	}
	tok, err := newTokenizer(def)
	if err != nil {
		t.Fatal(err)
	}
	return reparse(t, tok)
}

// withoutTokens returns the definition without tokens that no merge names.
func withoutTokens(def definition, drop func(token string) bool) definition {
	to := make([]int32, len(def.tokens))
	var tokens []string
	for id, token := range def.tokens {
		to[id] = int32(len(tokens))
		if !drop(token) {
			tokens = append(tokens, token)
		}
	}
	def.tokens = tokens
	def.merges = slices.Clone(def.merges)
	for i, m := range def.merges {
		def.merges[i] = merge{to[m.left], to[m.right], to[m.into]}
	}
	return def
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
	for name, want := range g.IDs {
		t.Run(name, func(t *testing.T) {
			tok := g.tokenizer(t, name)
			e := tok.NewEncoder()
			for i, text := range g.Texts {
				if got := e.AppendWithSpecials(nil, []byte(text)); !slices.Equal(got, want.Specials[i]) {
					t.Errorf("%q with specials: got %v, want %v", text, got, want.Specials[i])
				}
				if want.Plain == nil {
					continue
				}
				got := e.AppendDocument(nil, []byte(text))
				if !slices.Equal(got, want.Plain[i]) {
					t.Errorf("%q: got %v, want %v", text, got, want.Plain[i])
				}
				decoded, differs := want.Decoded[i]
				if !differs {
					decoded = text
				}
				if back := tok.AppendDocumentText(nil, got); shown(string(back)) != shown(decoded) {
					t.Errorf("%q: %v is decoded to %q, want %q", text, got, back, decoded)
				}
			}
		})
	}
}

// shown is how bytes look that are not valid UTF-8. The library writes U+FFFD for them,
// of which it takes different numbers.
func shown(text string) string {
	const replacement = "\uFFFD"
	return strings.ToValidUTF8(strings.ReplaceAll(text, replacement, "\xff"), replacement)
}

func TestTrainingEqualsHuggingFace(t *testing.T) {
	corpus := bytes.Split(readTestdata(t, "corpus.txt"), []byte("\n\n"))
	for p := GPT2; p.trainable(); p++ {
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
