package tokenize

import (
	"slices"
	"strings"
	"testing"
)

// words cuts text with a splitter.
func words(split splitter, text string) []string {
	var out []string
	for i := 0; i < len(text); {
		end := split([]byte(text), i)
		out = append(out, text[i:end])
		i = end
	}
	return out
}

// The words are divided by |. The golden test has many more texts; these show the rules.
func TestSplit(t *testing.T) {
	for _, c := range []struct{ text, gpt2, llama3, smolLM2 string }{
		{"It's THE'S", "It|'s| THE|'|S", "It|'s| THE|'S", "It|'s| THE|'|S"},
		{"a'ſ", "a|'|ſ", "a|'ſ", "a|'|ſ"},
		{"year 2024!", "year| 2024|!", "year| |202|4|!", "year| |2|0|2|4|!"},
		{"a  12", "a| | 12", "a| | |12", "a|  |1|2"},
		{"a   b", "a|  | b", "a|  | b", "a|  | b"},
		{"a \n b \n", "a| \n| b| \n", "a| \n| b| \n", "a| \n| b| \n"},
		{"x;\n\ny", "x|;|\n|\n|y", "x|;\n\n|y", "x|;|\n|\n|y"},
		{"\"Oh\" (no)", "\"|Oh|\"| (|no|)", "\"Oh|\"| (|no|)", "\"|Oh|\"| (|no|)"},
		{"\tif", "\t|if", "\tif", "\t|if"},
		{"e\u0301t\xffe", "e|\u0301|t|\xff|e", "e|\u0301t|\xffe", "e|\u0301|t|\xff|e"},
		{"磨坊 ٣", "磨坊| ٣", "磨坊| |٣", "磨坊| |٣"},
		{"a \xf0\x9f", "a| \xf0\x9f", "a| \xf0\x9f", "a| \xf0\x9f"},
	} {
		for p, want := range map[Pipeline]string{GPT2: c.gpt2, Llama3: c.llama3, SmolLM2: c.smolLM2} {
			if got := strings.Join(words(p.splitter(), c.text), "|"); got != want {
				t.Errorf("%v %q: got %q, want %q", p, c.text, got, want)
			}
		}
	}
}

func TestParsePipeline(t *testing.T) {
	for p := GPT2; p.trainable(); p++ {
		if got, err := ParsePipeline(p.String()); got != p || err != nil {
			t.Errorf("ParsePipeline(%q) = %v, %v", p, got, err)
		}
	}
	if _, err := ParsePipeline("bert"); err == nil || !strings.Contains(err.Error(), "llama3") {
		t.Errorf("error %v does not say what is known", err)
	}
}

// FuzzSplit: the words cover the text in order, none is empty, and a word of a text
// does not depend on what stands before it.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{"", "It's 12:30\r\n  now", "'ſ 'LL ٣½ 磨坊\u3000\xff\xc5 \n\n x", " \t\u0085a"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for p := GPT2; p.trainable(); p++ {
			ws := words(p.splitter(), string(text))
			if got := strings.Join(ws, ""); got != string(text) {
				t.Fatalf("%v: words of %q join to %q", p, text, got)
			}
			if slices.Contains(ws, "") {
				t.Fatalf("%v: empty word in %q", p, ws)
			}
			if len(ws) > 1 {
				rest := strings.Join(ws[1:], "")
				if again := words(p.splitter(), rest); !slices.Equal(again, ws[1:]) {
					t.Fatalf("%v: %q after %q, %q alone", p, ws[1:], ws[0], again)
				}
			}
		}
	})
}
