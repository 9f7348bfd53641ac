package rewrite_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/infilltest"
	"github.com/any-order/a3/pipeline/rewrite"
)

func selector(t testing.TB, s string) *rewrite.Selector {
	t.Helper()
	sel, err := rewrite.ParseSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

// show writes a document with its blanks in brackets.
func show(doc *infill.Document) string {
	var s strings.Builder
	end := 0
	for _, b := range doc.Blanks {
		fmt.Fprintf(&s, "%s[%s]", doc.Text[end:b.Start], doc.Text[b.Start:b.End])
		end = b.End
	}
	s.Write(doc.Text[end:])
	return s.String()
}

func TestSelect(t *testing.T) {
	for _, c := range []struct{ pattern, text, want string }{
		{`cat`, "a cat, a catalogue", "a [cat], a [cat]alogue"},
		{`\bcat\b`, "a cat, a catalogue", "a [cat], a catalogue"},
		{`a (\w+)`, "a cat, a dog", "a [cat], a [dog]"},
		{`a (?:big )?(cat)`, "a big cat", "a big [cat]"},
		{`x*`, "axxb", "a[xx]b"},         // empty matches are none
		{`(x)?y`, "xy y", "[x]y y"},      // nor is a group that took no part
		{`a(x*)b`, "ab axb", "ab a[x]b"}, // or is empty
		{`é|😀`, "é-😀", "[é]-[😀]"},
		{`(?i)CAT`, "Cat cat", "[Cat] [cat]"},
		{`:`, "a:b", "a[:]b"},
		{`[^.]+\.`, "One. Two.", "[One.][ Two.]"},
		{`\{\{blank\}\}`, "a {{blank}} b", "a [{{blank}}] b"}, // no marker here
		{`dog`, "a {{blank}} cat", "a {{blank}} cat"},
	} {
		raw, err := json.Marshal(map[string]string{"text": c.text})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := rewrite.Parse(raw, selector(t, "regex:"+c.pattern), rewrite.DefaultOptions())
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := show(doc); got != c.want {
			t.Errorf("%s: got %s, want %s", c.pattern, got, c.want)
		}
	}
}

func TestParseSelectorRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"cat":           `selector "cat": want regex:PATTERN, such as regex:\bcat\b`,
		"glob:*.txt":    `selector "glob:*.txt": want regex:PATTERN, such as regex:\bcat\b`,
		"regex:":        `selector "regex:": the pattern is empty`,
		"regex:(":       "selector \"regex:(\": error parsing regexp: missing closing ): `(`",
		"regex:(?=x)":   "selector \"regex:(?=x)\": error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
		"regex:(a)|(b)": `selector "regex:(a)|(b)": 2 capture groups, at most one is allowed, the part to replace; write the others as (?:...)`,
	} {
		if _, err := rewrite.ParseSelector(in); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

// A record on its whole way: the blanks are as long as what they replace.
func TestOutputHasWhatWasReplaced(t *testing.T) {
	tok := infilltest.New(" cat", " dog") // 256, 257
	codec, err := infill.NewCodec(tok, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The fields of an earlier job's output give way to this job's.
	raw := `{"id":"a","text":"A cat. Cat!","blanks":[{"start":9}],"stats":{},"logprob":0,"n":1.0}`
	doc, err := rewrite.Parse([]byte(raw), selector(t, "regex:(?i)cat"), rewrite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	task, err := codec.Encode(tok, doc)
	if err != nil {
		t.Fatal(err)
	}
	bos, _ := tok.BOS()
	eos, _ := tok.EOS()
	// " Cat" is four tokens: a space and three letters.
	got, err := codec.Output(task, &infill.Result{
		Tokens:  []int32{bos, 'A', 257, '.', ' ', 'D', 'o', 'g', '!', eos},
		LogProb: []float64{0, 0, -1, 0, -2, -3, -4, -5, 0, 0},
		Order:   []int32{-1, -1, 0, -1, 1, 2, 3, 4, -1, -1},
		Steps:   5, ModelCalls: 5, Rows: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"a","text":"A dog. Dog!","blanks":[` +
		`{"start":2,"end":5,"text":"dog","replaced":"cat","tokens":1,"token_ids":[257],"logprob":-1.000000,"order":[0]},` +
		`{"start":7,"end":10,"text":"Dog","replaced":"Cat","tokens":4,"token_ids":[32,68,111,103],"logprob":-14.000000,"order":[1,2,3,4]}],` +
		`"logprob":-15.000000,"stats":{"steps":5,"model_calls":5,"rows":9,"tokens":5},"n":1.0}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFixedLength(t *testing.T) {
	opts := rewrite.DefaultOptions()
	opts.Tokens = 3
	doc, err := rewrite.Parse([]byte(`{"text":"A cat."}`), selector(t, "regex:cat"), opts)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Blanks[0].Tokens != 3 {
		t.Errorf("got %d tokens", doc.Blanks[0].Tokens)
	}
}

func TestNoMatchPassesUnchanged(t *testing.T) {
	sel := selector(t, "regex:dog")
	raw := `{ "text" : "A {{blank}} cat.", "x":1.0, "blanks": [] }`
	doc, err := rewrite.Parse([]byte(raw), sel, rewrite.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Blanks) != 0 || string(doc.Record.Unchanged()) != raw {
		t.Errorf("%d blanks, %s", len(doc.Blanks), doc.Record.Unchanged())
	}
}

func TestTooManyMatches(t *testing.T) {
	opts := rewrite.DefaultOptions()
	opts.MaxBlanks = 2
	sel := selector(t, "regex:a")
	if _, err := rewrite.Parse([]byte(`{"text":"aa"}`), sel, opts); err != nil {
		t.Error(err)
	}
	_, err := rewrite.Parse([]byte(`{"id":7,"text":"aaa"}`), sel, opts)
	if want := `record "7": field text: the pattern matches more than 2 times; split the document, or raise the limit`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOptionsValidate(t *testing.T) {
	if err := rewrite.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*rewrite.Options){
		"no text":   func(o *rewrite.Options) { o.MaxText = 0 },
		"no blanks": func(o *rewrite.Options) { o.MaxBlanks = 0 },
		"negative":  func(o *rewrite.Options) { o.Tokens = -1 },
		"too long":  func(o *rewrite.Options) { o.Tokens = o.MaxTokens + 1 },
	} {
		o := rewrite.DefaultOptions()
		if spoil(&o); o.Validate() == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

// FuzzRewrite: whatever pattern and text, taking out the new texts and putting back
// the replaced ones gives the text that came in.
func FuzzRewrite(f *testing.F) {
	f.Add("cat", []byte("a cat, a catalogue"), uint64(1))
	f.Add(`a (\w+)?`, []byte("a b a  c"), uint64(2))
	f.Add(`.`, []byte("é\xff😀 \n"), uint64(3))
	f.Fuzz(func(t *testing.T, pattern string, text []byte, key uint64) {
		sel, err := rewrite.ParseSelector("regex:" + pattern)
		if err != nil || len(text) > 1<<12 {
			return
		}
		opts := rewrite.DefaultOptions()
		opts.Plain = true
		doc, err := rewrite.Parse(text, sel, opts)
		if err != nil {
			return // more matches than the limit
		}
		tok := infilltest.New(" a", " b", "cat")
		codec, err := infill.NewCodec(tok, 0)
		if err != nil {
			t.Fatal(err)
		}
		task, err := codec.Encode(tok, doc)
		if err != nil {
			t.Fatal(err)
		}
		line, err := codec.Output(task, tok.Fill(task, seq.NewKey(key)))
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Text   string
			Bytes  []byte `json:"bytes_b64"`
			Blanks []struct {
				Start, End    int
				Replaced      string
				ReplacedBytes []byte `json:"replaced_b64"`
			}
		}
		if err := json.Unmarshal(line, &out); err != nil {
			t.Fatal(err)
		}
		if out.Bytes == nil {
			out.Bytes = []byte(out.Text)
		}
		var back []byte
		end := 0
		for _, b := range out.Blanks {
			back = append(back, out.Bytes[end:b.Start]...)
			if b.ReplacedBytes == nil {
				b.ReplacedBytes = []byte(b.Replaced)
			}
			if len(b.ReplacedBytes) == 0 {
				t.Fatalf("an empty match became a blank: %s", line)
			}
			back = append(back, b.ReplacedBytes...)
			end = b.End
		}
		if back = append(back, out.Bytes[end:]...); string(back) != string(text) {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
