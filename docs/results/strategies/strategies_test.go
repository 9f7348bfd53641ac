package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/order"
)

const stories = `{"text": "Mia had a red kite. One windy day she took it to the hill behind her house."}
{"text": "Grandpa was making soup. He put in carrots, beans and a big potato."}
{"text": "short"}
{"text": "A little duck did not like the water. It was too cold and too wet."}
{"text": "Sam made a boat out of paper. He wrote his name on it."}
`

const small = `
title: Small
text: What was done.
documents: 3
shares: [15, 50]
mean_blank: 2
seed: 7
sections:
- title: Greedy
  text: Up is better.
  curves:
  - {name: ar, strategies: [ar]}
  - {name: random, strategies: ["random:size=2", "random:size=8"]}
agreement:
  title: Agreement
  pairs:
  - {strategy: "random:size=8", as: ar}
  - {strategy: "speculative:draft=3", as: ar}
`

// writeFiles makes a page's description and its documents.
func writeFiles(t *testing.T, page, documents string) (path, docs string) {
	t.Helper()
	dir := t.TempDir()
	path, docs = filepath.Join(dir, "small.yaml"), filepath.Join(dir, "stories.jsonl")
	for name, text := range map[string]string{path: page, docs: documents} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return path, docs
}

// speed is the column of tables that differs from run to run.
var speed = regexp.MustCompile(`\| \d+ \|\n`)

func TestPage(t *testing.T) {
	path, docs := writeFiles(t, small, stories)
	made := func() (page, plot string) {
		if err := write(t.Context(), path, docs, "", io.Discard); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".md")
		if err != nil {
			t.Fatal(err)
		}
		svg, err := os.ReadFile(filepath.Join(strings.TrimSuffix(path, ".yaml"), "1.svg"))
		if err != nil {
			t.Fatal(err)
		}
		return speed.ReplaceAllString(string(text), "|\n"), string(svg)
	}
	page, plot := made()
	for _, want := range []string{
		"# Small\n\nWhat was done.\n\nMeasured on 3 documents of `stories.jsonl`, ",
		"15 % blanked: ", "\n## Greedy\n\nUp is better.\n\n15 % blanked:\n", "\n50 % blanked:\n",
		"![quality over model calls a token](small/1.svg)\n", "\n## Agreement\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for share := range 2 {
		greedy := rowsOf(page, "against `ar`")[share]
		if len(greedy) != 4 || greedy[0][0] != "(held out)" || greedy[0][6] != "100.0 %" || greedy[0][7] != "100.0 %" {
			t.Errorf("the table has the rows %q", greedy)
		}
		if ar := greedy[1]; ar[1] != "1.000" || ar[5] != "-" {
			t.Errorf("ar takes a call a token, and is what others are held against: %q", ar)
		}
		pairs := rowsOf(page, "sequential")[share]
		if len(pairs) != 2 || pairs[1][1] != "-" || pairs[1][2] != "-" || !strings.HasPrefix(pairs[1][4], "100.0 %") || pairs[1][5] != "100.0 % of 3" {
			t.Errorf("speculative has groups of one token and fills what ar does: %q", pairs)
		}
	}
	if err := xml.Unmarshal([]byte(plot), new(struct {
		XMLName xml.Name `xml:"svg"`
	})); err != nil || strings.Count(plot, "50 % blanked") != 1 || !strings.Contains(plot, ">random<") {
		t.Errorf("plot of %d bytes, %v", len(plot), err)
	}
	if again, plotAgain := made(); again != page || plotAgain != plot {
		t.Error("page or plot differ when they are made again")
	}
}

// rowsOf returns the cells of the tables that have a column of a name.
func rowsOf(page, column string) (tables [][][]string) {
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			inside = false
		case strings.Contains(line, "| "+column+" |"):
			inside, tables = true, append(tables, nil)
		case inside && !strings.HasPrefix(line, "| ---"):
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			tables[len(tables)-1] = append(tables[len(tables)-1], cells)
		}
	}
	return tables
}

// TestTask holds what is blanked to the share, and to the seed alone.
func TestTask(t *testing.T) {
	doc := make([]int32, 101)
	for i := range doc {
		doc[i] = int32(i)
	}
	p := &page{MeanBlank: 4, Seed: 3}
	a, b := p.task([][]int32{doc, doc}, 15, order.GivenCausal), p.task([][]int32{doc, doc}, 15, order.GivenCausal)
	if a.blanks != 30 || a.spans < 2 || a.spans > 30 {
		t.Errorf("%d tokens of 200 are blank, in %d spans", a.blanks, a.spans)
	}
	if !slices.Equal(a.canvases[1].Blank, b.canvases[1].Blank) || slices.Equal(a.canvases[0].Blank, a.canvases[1].Blank) {
		t.Error("blanks are to depend on the seed and the document's number alone")
	}
	if a.canvases[0].Blank[0] {
		t.Error("the token that starts the document is blank")
	}
	n := 0
	for i, s := range spansOf(a.canvases[0]) {
		n += s.end - s.first
		if i > 0 && s.first == spansOf(a.canvases[0])[i-1].end {
			t.Error("spans touch")
		}
	}
	if n != 15 {
		t.Errorf("the spans have %d tokens", n)
	}
}

func TestAgainst(t *testing.T) {
	a := &quality{whole: []float64{-10, -20}, tokenCount: 10}
	b := &quality{whole: []float64{-12, -24}, tokenCount: 10}
	d, sd := a.against(b) // +2 and +4 nats over 10 tokens
	if math.Abs(d-0.6) > 1e-12 || math.Abs(sd-0.2) > 1e-12 {
		t.Errorf("difference %v ± %v, want 0.6 ± 0.2", d, sd)
	}
	if a.mean() != -3 {
		t.Errorf("mean %v", a.mean())
	}
}

func TestMoves(t *testing.T) {
	var list []string
	for _, m := range moves([][]int32{{3}, {1, 5}}) {
		list = append(list, fmt.Sprint(m.group, m.positions, m.keep, m.reopen))
	}
	want := []string{"0 [3] true []", "1 [1] false []", "1 [5] false [1 5]", "1 [5] false []", "1 [1] false [1 5]", "1 [1 5] true []"}
	if !slices.Equal(list, want) {
		t.Errorf("moves %q, want %q", list, want)
	}
}

func TestBounded(t *testing.T) {
	for _, c := range []struct {
		probs []float64
		want  bool
	}{
		{[]float64{0.67, 0.99}, true}, // 3 * 0.33 < 1
		{[]float64{0.66, 0.99}, false},
		{[]float64{0.76, 0.76, 0.76}, true},
		{[]float64{0.74, 0.9, 0.9}, false},
	} {
		r := &decode.Result{}
		var group []int32
		for i, p := range c.probs {
			r.LogProb, group = append(r.LogProb, math.Log(p)), append(group, int32(i))
		}
		if got := (&replay{result: r}).bounded(group); got != c.want {
			t.Errorf("%v: %v", c.probs, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"title: x": "want a title, shares and at least one section",
		"titel: x": "unknown field",
		strings.Replace(small, "documents: 3", "documents: 0", 1):         "want at least 1",
		strings.Replace(small, "[15, 50]", "[101]", 1):                    "want 1 to 100",
		strings.Replace(small, "name: random,", "nam: random,", 1):        "unknown field",
		strings.Replace(small, "strategies: [ar]", "strategies: []", 1):   "want a name and at least one strategy",
		strings.Replace(small, "random:size=2", "random:size=none", 1):    "parameter size",
		strings.Replace(small, "random:size=2", "confidense", 1):          "did you mean",
		strings.Replace(small, "title: Greedy", `title: ""`, 1):           "want a title and at least one curve",
		strings.Replace(small, `random:size=8", as: ar`, `arr", as: `, 1): "unknown strategy",
	} {
		path, docs := writeFiles(t, text, stories)
		if err := write(t.Context(), path, docs, "", io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                     "no document has 9 to",
		`{"text": "short"}`:    "no document has 9 to",
		`{"texte": "a story"}`: "line 1 has no field text",
		"{}\n":                 "line 1 has no field text",
		"{\n":                  "line 1: ",
	} {
		path, docs := writeFiles(t, small, text)
		if err := write(t.Context(), path, docs, "", io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("documents %s: %v, want %q", text, err, want)
		}
	}
}

func FuzzEachText(f *testing.F) {
	f.Add(stories)
	f.Add(`{"text": null}`)
	f.Add("{\"text\": \"a\"}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		err := eachText(strings.NewReader(text), func(string) bool { n++; return n < 3 })
		if n > 3 || err == nil && n == 0 && strings.TrimSpace(text) != "" {
			t.Fatalf("%d texts, %v", n, err)
		}
		if errors.Is(err, io.EOF) {
			t.Fatal("the end is no error")
		}
	})
}
