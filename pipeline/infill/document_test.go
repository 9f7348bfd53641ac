package infill_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/record"
)

// show writes a document as its text with each blank as [replaced|tokens].
func show(doc *infill.Document) string {
	var s strings.Builder
	end := 0
	for _, b := range doc.Blanks {
		fmt.Fprintf(&s, "%s[%s|%d]", doc.Text[end:b.Start], doc.Text[b.Start:b.End], b.Tokens)
		end = b.End
	}
	s.Write(doc.Text[end:])
	return s.String()
}

func TestMarkers(t *testing.T) {
	for in, want := range map[string]string{
		"{{blank}}":                          "[|8]",
		"Once {{blank:4}} there":             "Once [|4] there",
		"{{blank:1}}{{blank:512}}":           "[|1][|512]",
		"{{blank:007}}":                      "[|7]",
		"{{blank}}}}":                        "[|8]}}",
		"{{{blank}}}":                        "{[|8]}",
		"{{{{blank}} {{blank}}":              "{{blank}} [|8]",
		"{{{{blank:4}}{{blank}}":             "{{blank:4}}[|8]",
		"{{{{{blank}}{{blank}}":              "{{{blank}}[|8]",
		"{{{{{{blank}}{{blank}}":             "{{{{blank}}[|8]",
		"{{{{blank:auto}}{{blank}}":          "{{blank:auto}}[|8]",
		"{{blanket}} {{blank {{blank}}":      "{{blanket}} {{blank [|8]",
		"{{{{blanket}} {{ blank }}{{blank}}": "{{{{blanket}} {{ blank }}[|8]",
		"{{x}} }} {{{{ {{blank}}":            "{{x}} }} {{{{ [|8]",
		"{{blank}} {{blank":                  "[|8] {{blank",
		"{blank}} {{blank}}":                 "{blank}} [|8]",
		"{{{{blank}}{{{{blank}} {{blank}}":   "{{blank}}{{blank}} [|8]",
		"é{{blank}}\x00{{blank:2}}😀":         "é[|8]\x00[|2]😀",
	} {
		opts := infill.DefaultOptions()
		opts.Plain = true
		doc, err := infill.Parse([]byte(in), opts)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := show(doc); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestBlanksField(t *testing.T) {
	for in, want := range map[string]string{
		`{"text":"Once upon","blanks":[{"start":5,"end":9,"tokens":4}]}`:                              "Once [upon|4]",
		`{"text":"Once upon","blanks":[{"start":0,"end":0},{"start":0,"end":4},{"end":9,"start":4}]}`: "[|8][Once|8][ upon|8]",
		`{"text":"","blanks":[{"start":0,"end":0,"tokens":null}]}`:                                    "[|8]",
		`{"text":"{{blank}} is text","blanks":[{"start":10,"end":12,"tokens":1}]}`:                    "{{blank}} [is|1] text",
		`{"text":"{{blank}} is a marker","blanks":null}`:                                              "[|8] is a marker",
		`{"text":"é😀","blanks":[{"start":2,"end":6}]}`:                                                "é[😀|8]",
		`{"text_b64":"8J8h","blanks":[{"start":1,"end":2}]}`:                                          "\xf0[\x9f|8]!",
	} {
		doc, err := infill.Parse([]byte(in), infill.DefaultOptions())
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := show(doc); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestStrictReachesIntoBlanks(t *testing.T) {
	opts := infill.DefaultOptions()
	opts.Strict = true
	_, err := infill.Parse([]byte(`{"text":"Once","blanks":[{"start":0,"end":4,"name":"hero"}]}`), opts)
	var bad *record.Error
	if !errors.As(err, &bad) || bad.Field != "blanks[0].name" {
		t.Errorf("got %v", err)
	}
}

func TestKeyIsOfIDOrContent(t *testing.T) {
	key := func(in string) uint64 {
		doc, err := infill.Parse([]byte(in), infill.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		return doc.Key()
	}
	if key(`{"id":"a","text":"{{blank}}"}`) != seq.HashBytes([]byte("a")) {
		t.Error("the id does not make the key")
	}
	marked := key(`{"text":"Once {{blank:4}} there"}`)
	if key(`{"text":"Once upon there","x":1,"blanks":[{"start":5,"end":9,"tokens":4}]}`) != marked {
		t.Error("the same blanks, written otherwise, give another key")
	}
	for _, other := range []string{`{"text":"Once {{blank:5}} there"}`, `{"text":"Once {{blank:4}}  there"}`, `{"text":"Once  {{blank:4}}there"}`} {
		if key(other) == marked {
			t.Errorf("%s has the key of another document", other)
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	if err := infill.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*infill.Options){
		"no text":          func(o *infill.Options) { o.MaxText = 0 },
		"no blanks":        func(o *infill.Options) { o.MaxBlanks = 0 },
		"no tokens":        func(o *infill.Options) { o.BlankTokens = 0 },
		"default too long": func(o *infill.Options) { o.BlankTokens = o.MaxTokens + 1 },
	} {
		o := infill.DefaultOptions()
		if spoil(&o); o.Validate() == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

// The examples are what a newcomer runs first.
func TestExamples(t *testing.T) {
	for path, plain := range map[string]bool{"../examples/stories.jsonl": false, "../examples/stories.txt": true} {
		opts := infill.DefaultOptions()
		opts.Plain = plain
		for i, line := range readLines(t, path) {
			doc, err := infill.Parse(line, opts)
			if err != nil {
				t.Errorf("%s:%d: %v", path, i+1, err)
				continue
			}
			for _, b := range doc.Blanks {
				if b.Tokens < 1 || b.Tokens > 8 {
					t.Errorf("%s:%d: a blank of %d tokens", path, i+1, b.Tokens)
				}
			}
		}
	}
}
