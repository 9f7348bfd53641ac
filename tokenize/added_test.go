package tokenize

import (
	"strings"
	"testing"
)

// What stands between the added tokens, and those, in brackets. The golden files have
// more, from Hugging Face's library.
func TestAddedCuts(t *testing.T) {
	sets, err := newAddedSets([]addedToken{
		{content: "<p>"}, {content: "<p>>", id: 1},
		{content: "<l>", id: 2, lstrip: true}, {content: "<r>", id: 3, rstrip: true},
		{content: "<w>", id: 4, singleWord: true}, {content: "cat", id: 5, singleWord: true, lstrip: true},
		{content: "  ", id: 6}, {content: "\n", id: 7, lstrip: true, rstrip: true},
	}, literal)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"plain", "plain"},
		{"a<p>b", "a[<p>]b"},
		{"<p>>>", "[<p>>]>"}, // the longest
		{"a \t<l> b", "a[<l>] b"},
		{"a <r> \u3000b", "a [<r>]b"},
		{"<r> <l>", "[<r>][<l>]"}, // the space is taken already
		{"a<w>", "a<w>"}, {"<w>1", "<w>1"}, {"é<w>", "é<w>"}, {"_<w>", "_<w>"},
		{"a <w>.", "a [<w>]."}, {"\xff<w>\xff", "\xff[<w>]\xff"},
		{"a cat.", "a[cat]."}, {"a cats", "a cats"}, {"concat", "concat"},
		{"<r>   x", "[<r>][  ] x"}, // found again in what was taken
		{"a\n\n\nb", "a[\n]b"},     // nothing is left of the other two
		{"<r>\n\n x", "[<r>]x"},    // likewise
	} {
		cuts := addedCuts{set: &sets[0], text: []byte(c.text)}
		var b strings.Builder
		for {
			from, to, id, ok := cuts.next()
			b.WriteString(c.text[from:to])
			if !ok {
				break
			}
			for _, token := range sets[0].tokens {
				if token.id == id {
					b.WriteString("[" + token.content + "]")
				}
			}
		}
		if got := b.String(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// A marker is no white space: where the normalizer has marked the spaces, they stay.
func TestMarkersAreNotStripped(t *testing.T) {
	sets, err := newAddedSets([]addedToken{{content: "x y", normalized: true, lstrip: true}}, replaced)
	if err != nil {
		t.Fatal(err)
	}
	cuts := addedCuts{set: &sets[1], text: []byte("a \n\tx y")}
	if from, to, _, ok := cuts.next(); !ok || from != 0 || to != 2 {
		t.Errorf("text %d to %d before the token, found %t; want the newline and the tab taken, the space not", from, to, ok)
	}
}
