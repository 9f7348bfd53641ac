package infill_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/infilltest"
)

// outBlank and outRecord are what a reader of the output sees.
type outBlank struct {
	Start, End int
	Text       string
	BytesB64   string `json:"bytes_b64"`
	Tokens     int
	TokenIDs   []int32 `json:"token_ids"`
	LogProb    float64
	Order      []int
}

type outRecord struct {
	Text     string
	BytesB64 string `json:"bytes_b64"`
	Blanks   []outBlank
	LogProb  float64
	Stats    struct{ Tokens int }
}

// trueBytes returns the bytes that a text and its bytes_b64 stand for.
func trueBytes(t rapid.TB, text, coded string) []byte {
	if coded == "" {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkRoundTrip encodes doc, fills it at random and checks all that the output
// promises. Above all: given text comes back byte for byte.
func checkRoundTrip(t rapid.TB, tok *infilltest.Tokenizer, doc *infill.Document, key seq.Key) {
	codec, err := infill.NewCodec(tok, 0)
	if err != nil {
		t.Fatal(err)
	}
	task, err := codec.Encode(tok, doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := task.Canvas.Validate(258 + 64); err != nil {
		t.Fatal(err)
	}
	for _, c := range task.Constraints {
		if !task.Canvas.Blank[c.Position] {
			t.Fatalf("constraint on the given position %d", c.Position)
		}
	}
	line, err := codec.Output(task, tok.Fill(task, key))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(line, "\r\n") {
		t.Fatalf("line break in %q", line)
	}
	var out outRecord
	if err := json.Unmarshal(line, &out); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	text := trueBytes(t, out.Text, out.BytesB64)
	if len(out.Blanks) != len(doc.Blanks) {
		t.Fatalf("%d blanks came back of %d", len(out.Blanks), len(doc.Blanks))
	}
	outEnd, end, tokens, logProb := 0, 0, 0, 0.0
	for i, b := range doc.Blanks {
		o := out.Blanks[i]
		if !bytes.Equal(text[outEnd:o.Start], doc.Text[end:b.Start]) {
			t.Fatalf("given text %q before blank %d became %q", doc.Text[end:b.Start], i, text[outEnd:o.Start])
		}
		filled := trueBytes(t, o.Text, o.BytesB64)
		if !bytes.Equal(text[o.Start:o.End], filled) {
			t.Fatalf("blank %d holds %q, its offsets %q", i, filled, text[o.Start:o.End])
		}
		spelled := tok.AppendText(nil, o.TokenIDs)
		if b.Start > end && doc.Text[b.Start-1] == ' ' || i == 0 && b.Start == 0 && tok.Spaced {
			filled = append([]byte{' '}, filled...)
		}
		if !bytes.Equal(spelled, filled) {
			t.Fatalf("tokens of blank %d spell %q, its text with the space before it is %q", i, spelled, filled)
		}
		if o.Tokens != b.Tokens || len(o.TokenIDs) != b.Tokens || len(o.Order) != b.Tokens {
			t.Fatalf("blank %d of %d tokens has %d, %d ids, %d orders", i, b.Tokens, o.Tokens, len(o.TokenIDs), len(o.Order))
		}
		outEnd, end = o.End, b.End
		tokens += o.Tokens
		logProb += o.LogProb
	}
	if !bytes.Equal(text[outEnd:], doc.Text[end:]) {
		t.Fatalf("given text %q at the end became %q", doc.Text[end:], text[outEnd:])
	}
	if tokens != out.Stats.Tokens || math.Abs(logProb-out.LogProb) > 1e-6*float64(len(out.Blanks)+1) {
		t.Fatalf("totals %d and %v, blanks add up to %d and %v", out.Stats.Tokens, out.LogProb, tokens, logProb)
	}
	checkReadsAgain(t, line, text, out.Blanks)
}

// checkReadsAgain checks that an output record is an input record: same text, same
// blanks.
func checkReadsAgain(t rapid.TB, line, text []byte, blanks []outBlank) {
	for _, o := range blanks {
		for _, at := range []int{o.Start, o.End} {
			if at < len(text) && text[at]&0xC0 == 0x80 {
				return // a random filling that joined bytes to a character across its edge
			}
		}
	}
	again, err := infill.Parse(line, looseOptions())
	if err != nil {
		t.Fatalf("output %s does not read as input: %v", line, err)
	}
	if !bytes.Equal(again.Text, text) {
		t.Fatalf("text %q reads again as %q", text, again.Text)
	}
	for i, o := range blanks {
		if b := again.Blanks[i]; b.Start != o.Start || b.End != o.End || b.Tokens != o.Tokens {
			t.Fatalf("blank %+v reads again as %+v", o, b)
		}
	}
}

func looseOptions() infill.Options {
	opts := infill.DefaultOptions()
	opts.MaxText = 1 << 30
	return opts
}

// drawText draws pieces that make edges interesting: spaces, characters of several
// bytes, stray bytes, braces.
func drawText(t *rapid.T, label string) string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		" ", "  ", "a", "b", "the", "\n", "é", "😀", "\xff", "\xe2", "{{", "}}", "{", "blank", "{{{{blank}}", "\"", "\\",
	}), 0, 8).Draw(t, label)
	return strings.Join(pieces, "")
}

func drawTokenizer(t *rapid.T) *infilltest.Tokenizer {
	merges := rapid.SliceOfN(rapid.StringMatching(`[ abthe]{2,4}|é|😀| 😀|\n `), 0, 12).Draw(t, "merges")
	tok := infilltest.New(merges...)
	tok.Spaced = rapid.Bool().Draw(t, "spaced")
	tok.NoBOS = rapid.Bool().Draw(t, "no BOS")
	tok.NoEOS = !tok.NoBOS && rapid.Bool().Draw(t, "no EOS")
	return tok
}

// Guarantee 5, for spans: the blanks are drawn, then told as the "blanks" field.
func TestGivenTextIsUntouchedAroundSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tok := drawTokenizer(t)
		text := []byte{} // nil would be null, which is no text
		type entry struct {
			Start  int `json:"start"`
			End    int `json:"end"`
			Tokens int `json:"tokens"`
		}
		blanks := []entry{}
		for range rapid.IntRange(1, 5).Draw(t, "blanks") {
			text = append(text, drawText(t, "given")...)
			start := len(text)
			text = append(text, drawText(t, "replaced")...)
			blanks = append(blanks, entry{start, len(text), rapid.IntRange(1, 4).Draw(t, "tokens")})
		}
		text = append(text, drawText(t, "end")...)
		raw, err := json.Marshal(map[string]any{"text_b64": text, "blanks": blanks, "meta": []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := infill.Parse(raw, looseOptions())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(doc.Text, text) {
			t.Fatalf("text %q was read as %q", text, doc.Text)
		}
		checkRoundTrip(t, tok, doc, seq.NewKey(rapid.Uint64().Draw(t, "key")))
	})
}

// Guarantee 5, for markers: what stands between them, escapes resolved, is given.
func TestGivenTextIsUntouchedAroundMarkers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var marked, given []byte
		for range rapid.IntRange(1, 5).Draw(t, "blanks") {
			piece := rapid.SampledFrom([]string{"", " ", "a ", "é", "{", "{{x}}", "}}", "{{blank", "{{blanks}}", "{{{{", "\xff"}).Draw(t, "piece")
			if strings.HasSuffix(piece, "{{{{") {
				piece += "." // braces right before a marker would escape it
			}
			marked = append(marked, piece...)
			given = append(given, piece...)
			if rapid.Bool().Draw(t, "literal") {
				marked = append(marked, ".{{{{blank:x"...)
				given = append(given, ".{{blank:x"...)
			}
			marked = append(marked, "{{blank:3}}"...)
		}
		opts := looseOptions()
		opts.Plain = true
		doc, err := infill.Parse(marked, opts)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(doc.Text, given) {
			t.Fatalf("%q was read as %q, want %q", marked, doc.Text, given)
		}
		checkRoundTrip(t, drawTokenizer(t), doc, seq.NewKey(rapid.Uint64().Draw(t, "key")))
	})
}

func FuzzInfill(f *testing.F) {
	for _, path := range []string{badRecords, "../examples/stories.jsonl"} {
		for _, line := range readLines(f, path) {
			f.Add(line, false, "the er in", uint64(1))
		}
	}
	for _, line := range readLines(f, "../examples/stories.txt") {
		f.Add(line, true, "", uint64(2))
	}
	f.Add([]byte("{{{blank:1}}} {{{{blank}}\xff {{blank}}{{blank:2}}"), true, " \xff", uint64(3))
	f.Fuzz(func(t *testing.T, raw []byte, plain bool, merges string, key uint64) {
		opts := infill.DefaultOptions()
		opts.Plain = plain
		opts.MaxText, opts.MaxBlanks, opts.MaxTokens = 1<<16, 64, 64
		doc, err := infill.Parse(raw, opts)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without a message")
			}
			return
		}
		words := strings.Fields(merges)
		checkRoundTrip(t, infilltest.New(words[:min(len(words), 64)]...), doc, seq.NewKey(key))
	})
}
