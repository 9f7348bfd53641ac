package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/models"
)

const (
	maxLine   = 1 << 24 // bytes of a document's line
	minTokens = 9       // shorter documents are left out: a blank needs a context
)

// readDocuments returns the tokens of the first documents of a file that fit the model's
// context, each with the token that starts it.
func readDocuments(path string, model *models.Loaded, most int) ([][]int32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	start, ok := model.Tokenizer.Start()
	if !ok {
		return nil, errors.New("the tokenizer has no token that starts a document")
	}
	enc := model.Tokenizer.NewEncoder()
	var docs [][]int32
	err = eachText(r, func(text string) bool {
		doc := enc.AppendDocument([]int32{start}, []byte(text))
		if len(doc) >= minTokens && len(doc) <= model.Model.Config.MaxPositions {
			docs = append(docs, doc)
		}
		return len(docs) < most
	})
	if err == nil && len(docs) == 0 {
		err = fmt.Errorf("no document has %d to %d tokens", minTokens, model.Model.Config.MaxPositions)
	}
	return docs, err
}

// eachText hands over the text of each line until more returns false.
func eachText(r io.Reader, more func(text string) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var rec struct{ Text *string }
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if rec.Text == nil {
			return fmt.Errorf("line %d has no field text", n)
		}
		if !more(*rec.Text) {
			return nil
		}
	}
	return lines.Err()
}

// task is the documents with a share of their tokens blanked.
type task struct {
	share    int
	canvases []*seq.Canvas
	truth    [][]int32 // tokens of each document
	blanks   int       // blank tokens
	spans    int       // runs of them
}

// task blanks documents: spans of geometric lengths, in random places, that do not touch.
// They depend on the seed, the document's number and the share alone, so every strategy
// gets the same.
func (p *page) task(docs [][]int32, share int, given order.Given) *task {
	sampler := order.Sampler{Kind: order.Spans, MinGroup: 1, MaxGroup: 1, MeanBlank: p.MeanBlank, MinShare: share, MaxShare: share}
	t := &task{share: share, truth: docs}
	for i, doc := range docs {
		segment := sampler.Sample(order.Key(p.Seed, 0, uint64(i), 0), doc, given)
		canvas := seq.NewCanvas(append([]int32(nil), doc...)...)
		for at, weight := range segment.Weight {
			if weight > 0 {
				canvas.Blank[at], canvas.Tokens[at] = true, 0
			}
		}
		t.canvases = append(t.canvases, canvas)
		t.blanks += len(canvas.Blanks())
		t.spans += len(spansOf(canvas))
	}
	return t
}

// span is the blank positions from first to before end.
type span struct{ first, end int }

func spansOf(c *seq.Canvas) []span {
	var spans []span
	for p := 0; p < c.Len(); p++ {
		if !c.Blank[p] {
			continue
		}
		s := span{first: p}
		for p < c.Len() && c.Blank[p] {
			p++
		}
		s.end = p
		spans = append(spans, s)
	}
	return spans
}
