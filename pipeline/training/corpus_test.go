package training_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/training"
)

func TestReadTexts(t *testing.T) {
	plain := []connectors.Header{{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeText)}}
	src := memory.FromSlice("s", []connectors.Record{
		{Value: []byte(`{"id": "a", "text": "The fox.", "meta": 1}`)},
		{Value: []byte(`{"id": "b", "text": ""}`)},
		{Value: []byte("{not JSON\n"), Headers: plain},
		{Value: []byte(`{"id": "c", "txt": "The fox."}`)},
		{Value: []byte(`{"text_b64": "/w=="}`)},
	})
	var bad []string
	texts, err := training.ReadTexts(t.Context(), src, record.DefaultOptions(), func(o connectors.Origin, err error) error {
		bad = append(bad, fmt.Sprintf("%v: %v", o, err))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{
		`s:2: record "b": field text: empty: there is nothing to learn from`,
		`s:4: record "c": field txt: unknown, but nearly "text", so it is taken for a slip; rename it; did you mean "text"?`,
	}; !slices.Equal(bad, want) {
		t.Errorf("bad records %q, want %q", bad, want)
	}
	var got []string
	for _, text := range texts {
		got = append(got, text.ID+"="+string(text.Text))
	}
	if want := []string{"a=The fox.", "={not JSON\n", "=\xff"}; !slices.Equal(got, want) {
		t.Errorf("texts %q, want %q", got, want)
	}
	if done := src.Acknowledged(); len(done) != 1 || done[0].Next != 5 {
		t.Errorf("acknowledged %v", done)
	}
	if got := slices.Collect(training.Texts(texts[:2])); len(got) != 2 || string(got[0]) != "The fox." {
		t.Errorf("texts %q", got)
	}
}

func TestReadTextsStopsWhenToldSo(t *testing.T) {
	enough := errors.New("enough")
	src := memory.FromSlice("s", []connectors.Record{{Value: []byte("{}")}, {Value: []byte("{}")}})
	calls := 0
	_, err := training.ReadTexts(t.Context(), src, record.DefaultOptions(), func(connectors.Origin, error) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := training.ReadTexts(ctx, memory.FromSlice("s", nil), record.DefaultOptions(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestNewCorpus(t *testing.T) {
	docs := stories(5)
	c, tok := corpus(t, docs)
	if c.Len() != 5 {
		t.Fatalf("%d documents", c.Len())
	}
	for i := range c.Len() {
		doc := c.Document(i)
		if got := string(tok.AppendText(nil, doc.Tokens)); got != docs[i] {
			t.Errorf("document %d is %q, want %q", i, got, docs[i])
		}
		if doc.Origin.Stream != "stories" || doc.Origin.Offset != int64(i+1) {
			t.Errorf("document %d has the origin %v", i, doc.Origin)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := training.NewCorpus(ctx, []training.Text{{Text: []byte("a")}}, tok); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
