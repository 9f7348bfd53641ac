package record

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var scanSeeds = []string{
	`{"id": 7, "text": "Once {{blank:2}}.", "blanks": [{"start": 1}], "x": [true, false, null, -0.5e+3]}`,
	`{}`, `[]`, `[ ]`, `""`, `0`, `-0`, `1.5`, `1e9`, `{"a":{"b":[[[]]]}}`, "{\"a\"\n:\t1 , \"b\":2\r}",
	`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `"seven b"`, `"eight by"`, `"nine byte"`, `"é\u00e9 ü and more than a word"`,
	``, ` `, `{`, `[`, `"`, `"\`, `"\u00e`, `"\x"`, `"a\"`, "\"a\nb\"", "\"eight by\x1f\"", `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`,
	`{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1,]`, `[1 2]`, `{a:1}`, `{"a" 1}`, `[}`, `{]`, `truth`, `tru`, `nul`, `1x`, `"a" b`, "\"\x7f\x80\xff\"",
	strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
}

// FuzzAccepted: what is accepted is valid JSON, and what is valid is accepted, but for what
// is nested deeply.
func FuzzAccepted(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = bytes.Trim(in, " \t\r\n")
		want := json.Valid(in)
		deep := bytes.Count(in, []byte("["))+bytes.Count(in, []byte("{")) > scanDepth
		if got := accepted(in); got != want && (got || !deep) {
			t.Fatalf("accepted(%q) = %v, valid is %v", in, got, want)
		}
	})
}

// FuzzDecode: strings are decoded as encoding/json does it.
func FuzzDecode(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add(s)
	}
	f.Add(`"\ud83d\ud83d\ude00\ud83d"`)
	f.Add("\"\xff\\n\xe2\x82\"")
	f.Fuzz(func(t *testing.T, in string) {
		var want string
		if strings.TrimSpace(in) != in || json.Unmarshal([]byte(in), &want) != nil || in[0] != '"' {
			return
		}
		if got, _ := decodeString([]byte(in)); got != want {
			t.Fatalf("decodeString(%s) = %q, want %q", in, got, want)
		}
	})
}

// A byte that is special is found wherever it stands in a word of eight, and no other is.
func TestNextSpecial(t *testing.T) {
	for c := range 256 {
		special := c == '"' || c == '\\' || c < ' '
		for at := range 19 {
			b := bytes.Repeat([]byte{'a'}, 19)
			b[at] = byte(c)
			want := len(b)
			if special {
				want = at
			}
			if got := nextSpecial(b, 0); got != want {
				t.Fatalf("byte %#x at %d: found at %d, want %d", c, at, got, want)
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := AppendString(nil, strings.Repeat("\"Hello,\" said the little duck, and swam to the other side.\n", 25))
	line := append(append([]byte(`{"id": "duck", "text": `), text...), '}')
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line, Schema{}, DefaultOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
