package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/rows"
	"github.com/any-order/a3/tokenize"
)

// Text is a document read from a source.
type Text struct {
	ID     string
	Key    uint64
	Text   []byte
	Origin connectors.Origin
}

// ReadTexts reads a source to its end and settles every record. A record that cannot be
// used goes to bad, which may end the reading with an error.
func ReadTexts(ctx context.Context, src connectors.Source, opts record.Options, bad func(connectors.Origin, error) error) ([]Text, error) {
	var texts []Text
	for {
		some, err := ReadSome(ctx, src, opts, bad)
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, err
		}
		texts = append(texts, some...)
	}
}

// ReadSome is ReadTexts for what the source has next, which may be no document that can be
// used; io.EOF ends it.
func ReadSome(ctx context.Context, src connectors.Source, opts record.Options, bad func(connectors.Origin, error) error) ([]Text, error) {
	deliveries, err := src.Read(ctx, 256)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	texts := make([]Text, 0, len(deliveries))
	for _, d := range deliveries {
		for _, doc := range unpack(d) {
			text, err := readText(doc, opts)
			if err != nil {
				if err := bad(doc.Origin, err); err != nil {
					return nil, err
				}
			} else {
				texts = append(texts, text)
			}
		}
		d.Settle(nil)
	}
	return texts, nil
}

// unpack returns the documents of a record: its rows, if it is an Arrow IPC stream. They are
// settled by their record.
func unpack(d connectors.Delivery) []connectors.Delivery {
	if d.Err != nil || d.Value == nil || !d.IsArrow() {
		return []connectors.Delivery{d}
	}
	list, err := rows.Split(d.Value, rows.DefaultLimits())
	if err != nil {
		d.Err = err
		return []connectors.Delivery{d}
	}
	docs := make([]connectors.Delivery, len(list))
	for i, row := range list {
		docs[i] = connectors.Delivery{Record: connectors.Record{Origin: d.Origin, Value: row.JSON}, Err: row.Err}
		docs[i].Origin.Row = int64(i + 1)
	}
	return docs
}

func readText(d connectors.Delivery, opts record.Options) (Text, error) {
	if d.Err != nil {
		return Text{}, d.Err
	}
	opts.Plain = opts.Plain || d.IsText()
	rec, err := record.Parse(d.Value, record.Schema{}, opts)
	if err != nil {
		return Text{}, err
	}
	if len(rec.Text) == 0 {
		return Text{}, rec.Name(&record.Error{Field: "text", Reason: "empty: there is nothing to learn from"})
	}
	return Text{ID: rec.ID, Key: rec.Key(rec.Text), Text: rec.Text, Origin: d.Origin}, nil
}

// Texts yields the documents' bytes, for learning a vocabulary.
func Texts(texts []Text) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, t := range texts {
			if !yield(t.Text) {
				return
			}
		}
	}
}

// NewCorpus tokenizes the documents.
func NewCorpus(ctx context.Context, texts []Text, tok *tokenize.Tokenizer) (*batching.Corpus, error) {
	c := &batching.Corpus{}
	enc := tok.NewEncoder()
	var ids []int32
	for _, t := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ids = enc.AppendDocument(ids[:0], t.Text)
		if err := c.Add(document(t, ids)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// document is a text with its tokens.
func document(t Text, ids []int32) batching.Document {
	o := t.Origin
	return batching.Document{
		ID: t.ID, Key: t.Key, Tokens: ids,
		Origin: batching.Origin{Stream: o.Stream, Partition: o.Partition, Offset: o.Offset, Next: o.Next, Row: o.Row},
	}
}
