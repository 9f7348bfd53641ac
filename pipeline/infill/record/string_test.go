package record

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeStringFindsHalfSurrogates(t *testing.T) {
	for in, whole := range map[string]bool{
		`"plain"`:               true,
		`"\ud83d\ude00"`:        true,
		`"\\ud83d"`:             true, // a backslash, not an escape
		`"\u00e9"`:              true,
		`"\ufffd"`:              true,
		`"\ud83d"`:              false,
		`"\ude00"`:              false,
		`"\ud83d\ud83d"`:        false,
		`"\ud83dx\ude00"`:       false,
		`"\ud83d\n"`:            false,
		`"a\uD83D\uDE00\uD83D"`: false,
	} {
		if _, got := decodeString([]byte(in)); got != whole {
			t.Errorf("decodeString(%s): whole is %v, want %v", in, got, whole)
		}
	}
}

// FuzzHalfSurrogates: without half surrogates, decoding and encoding again keeps all.
// With one, U+FFFD has taken its place.
func FuzzHalfSurrogates(f *testing.F) {
	f.Add(`"\ud83d\ude00"`)
	f.Add(`"\ud83d\\ude00"`)
	f.Add(`"\udfff\ud800"`)
	f.Fuzz(func(t *testing.T, in string) {
		if !json.Valid([]byte(in)) || in[0] != '"' || !utf8.ValidString(in) {
			return
		}
		s, whole := decodeString([]byte(in))
		written := strings.Count(in, "\uFFFD") + strings.Count(strings.ToLower(in), `\ufffd`)
		if !whole && !strings.Contains(s, "\uFFFD") {
			t.Fatalf("%s: said to be broken, decoded whole as %q", in, s)
		}
		if whole && written == 0 && strings.Contains(s, "\uFFFD") {
			t.Fatalf("%s: said to be whole, decoded broken as %q", in, s)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a \"quoted\" \\ \x00\x1f\x7f \u2028 é 😀 <&>")
	f.Add("\xff broken \xe2\x82")
	f.Fuzz(func(t *testing.T, in string) {
		b := AppendString(nil, Display([]byte(in)))
		var out string
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if want := Display([]byte(in)); out != want || !utf8.ValidString(want) {
			t.Fatalf("%q came back as %q", want, out)
		}
		if strings.ContainsAny(string(b), "\n\r\u2028\u2029") {
			t.Fatalf("line break in %q", b)
		}
	})
}

func TestDisplay(t *testing.T) {
	for in, want := range map[string]string{
		"caf\u00e9":    "caf\u00e9",
		"\xff":         "\uFFFD",
		"a\xe2\x82b":   "a\uFFFD\uFFFDb", // one for each byte
		"\uFFFD\xffok": "\uFFFD\uFFFDok",
	} {
		if got := Display([]byte(in)); got != want {
			t.Errorf("Display(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSplitsCharacter(t *testing.T) {
	text := []byte("aé😀\xf0\x9f!") // é at 1, 😀 at 3, two stray bytes at 7
	inside := map[int][2]int{2: {1, 3}, 4: {3, 7}, 5: {3, 7}, 6: {3, 7}}
	for i := range len(text) + 1 {
		start, end, splits := SplitsCharacter(text, i)
		want, ok := inside[i]
		if splits != ok || ok && want != [2]int{start, end} {
			t.Errorf("byte %d: got %d to %d, splits %v; want %v, %v", i, start, end, splits, want, ok)
		}
	}
}

func TestNear(t *testing.T) {
	for _, c := range []struct {
		name, known string
		want        bool
	}{
		{"blank", "blanks", true},
		{"balnks", "blanks", true}, // neighbours swapped
		{"Blanks", "blanks", true},
		{"txt", "text", true},
		{"tokns", "tokens", true},
		{"num_tokens", "tokens", false},
		{"begin", "start", false},
		{"ends", "end", true},
		{"id", "end", false},
		{"Id", "id", true},
		{"uid", "id", false},
		{"ip", "id", false},
		{"meta", "text", false},
		{"title", "text", false},
		{strings.Repeat("x", 1<<24), "text", false}, // names are as long as their author likes
	} {
		if got := near(c.name, c.known); got != c.want {
			t.Errorf("near(%q, %q) = %v, want %v", c.name, c.known, got, c.want)
		}
	}
}
