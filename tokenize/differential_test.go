package tokenize

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// python returns an interpreter that has a package: A3_PYTHON or python3. Without one the
// test is skipped.
func python(t *testing.T, pkg string) string {
	t.Helper()
	name := os.Getenv("A3_PYTHON")
	if name == "" {
		name = "python3"
	}
	if out, err := exec.CommandContext(t.Context(), name, "-c", "import "+pkg).CombinedOutput(); err != nil {
		if os.Getenv("A3_PYTHON") != "" {
			t.Fatalf("A3_PYTHON: %v: %s", err, out)
		}
		t.Skipf("no Python with the package %s; name one in A3_PYTHON", pkg)
	}
	return name
}

// TestDifferential compares ids and decoded texts with those of Hugging Face's library
// on many more texts than golden.json has, for the vocabularies of testdata and for those
// in the folder A3_TOKENIZERS: *.json, each a tokenizer.json, and *.gguf, of which the
// library reads the tokenizer.json that FromGGUF makes.
func TestDifferential(t *testing.T) {
	interpreter := python(t, "tokenizers")
	g := readGolden(t)
	files := map[string]string{} // by name
	for name := range g.IDs {
		if strings.Contains(name, "sparse") && strings.Contains(name, "sentencepiece") {
			continue // golden.json has them; every rune would be an unknown one
		}
		files[name] = written(t, g.tokenizer(t, name))
	}
	if folder := os.Getenv("A3_TOKENIZERS"); folder != "" {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatalf("A3_TOKENIZERS: %v", err)
		}
		for _, entry := range entries {
			switch name := entry.Name(); filepath.Ext(name) {
			case ".json":
				files[name] = filepath.Join(folder, name)
			case ".gguf":
				files[name] = written(t, readGGUF(t, filepath.Join(folder, name)))
			}
		}
	}
	texts := slices.Concat(g.Texts, randomTexts(g.Texts, 3000))
	all := slices.Concat(texts, everyRune())
	for name, path := range files {
		t.Run(name, func(t *testing.T) {
			if base, change, _ := strings.Cut(name, "/"); change == "" && base != "added" || change == "prepended" {
				compare(t, interpreter, path, all)
			} else {
				compare(t, interpreter, path, texts)
			}
		})
	}
}

// written returns the path of the tokenizer's tokenizer.json.
func written(t *testing.T, tok *Tokenizer) string {
	t.Helper()
	data, err := tok.JSON()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func compare(t *testing.T, interpreter, path string, texts []string) {
	tok, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var input bytes.Buffer
	for _, text := range texts {
		input.Write(marshal(t, text))
		input.WriteByte('\n')
	}
	cmd := exec.CommandContext(t.Context(), interpreter, "testdata/ask.py", path)
	cmd.Stdin = &input
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	e := tok.NewEncoder()
	answers := bufio.NewReader(bytes.NewReader(out))
	// The library's way to turn special tokens off leaves other added tokens on.
	plain := tok.def.unknown < 0 || tok.special[tok.def.unknown]
	for _, a := range tok.def.added {
		plain = plain && a.special
	}
	differences := 0
	report := func(format string, args ...any) {
		if differences++; differences <= 5 {
			t.Errorf(format, args...)
		}
	}
	for _, text := range texts {
		line, err := answers.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Specials, Plain []int32
			Decoded         string
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		if got := e.AppendWithSpecials(nil, []byte(text)); !slices.Equal(got, want.Specials) {
			report("%.200q with specials: got %v, want %v", text, got, want.Specials)
		}
		if back := tok.AppendDocumentText(nil, want.Plain); shown(string(back)) != shown(want.Decoded) {
			report("%v is decoded to %.200q, want %.200q", want.Plain, back, want.Decoded)
		}
		if !plain || slices.ContainsFunc(want.Plain, tok.IsSpecial) {
			continue // in the library, merges can make a special token
		}
		if got := e.AppendDocument(nil, []byte(text)); !slices.Equal(got, want.Plain) {
			report("%.200q: got %v, want %v", text, got, want.Plain)
		}
	}
	if differences > 5 {
		t.Errorf("%d differences in all, over %d texts", differences, len(texts))
	}
}

// randomTexts returns texts of pieces of others, of words, and of random runes.
func randomTexts(from []string, n int) []string {
	rng := rand.New(rand.NewPCG(11, 12))
	words := strings.Fields("The little duck swam to a BOAT don't we'll 12 345,678 it's http://x.y/z?a=1&b=2 func main() { x := 7 } 磨坊 日本語 한국어 Привет мир naïve café ٣٤ \t \r\n \n\n 😀👍🏽")
	texts := make([]string, n)
	for i := range texts {
		var b strings.Builder
		for range 1 + rng.IntN(20) {
			switch rng.IntN(4) {
			case 0:
				whole := []rune(from[rng.IntN(len(from))])
				if len(whole) > 0 {
					at := rng.IntN(len(whole))
					b.WriteString(string(whole[at:min(len(whole), at+1+rng.IntN(8))]))
				}
			case 1:
				b.WriteString(words[rng.IntN(len(words))])
				b.WriteString(" \n  "[rng.IntN(3):][:rng.IntN(2)])
			case 2:
				b.WriteByte(byte(rng.IntN(utf8.RuneSelf)))
			case 3:
				if r := rune(rng.IntN(1 << (8 + rng.IntN(13)))); utf8.ValidRune(r) {
					b.WriteRune(r)
				}
			}
		}
		texts[i] = b.String()
	}
	return texts
}

// everyRune returns texts with every code point to U+323AF, where the assigned ones end but
// for tags and private ones, and every 61st above, each in five contexts.
func everyRune() []string {
	var texts []string
	var line [5]strings.Builder
	flush := func() {
		for i := range line {
			texts = append(texts, line[i].String())
			line[i].Reset()
		}
	}
	count := 0
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r > 0x323AF {
			r += 60
		}
		if !utf8.ValidRune(r) {
			continue
		}
		c := string(r)
		line[0].WriteString("a" + c + "b")
		line[1].WriteString(" " + c + " ")
		line[2].WriteString(c + c + "1")
		line[3].WriteString("'" + c + "\n")
		line[4].WriteString("!" + c + " x")
		if count++; count%128 == 0 {
			flush()
		}
	}
	flush()
	return texts
}
