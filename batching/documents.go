package batching

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Document is a document to train on or to decode, as text, as tokens, or both.
type Document struct {
	ID         string  // the record's id; may be empty
	Key        uint64  // document key: the hash of the id, else of the content
	Text       []byte  // nil = not there
	Tokens     []int32 // token ids without BOS and EOS; nil = not tokenized
	Origin     Origin
	Provenance string // for people: the work, author or licence of the text
}

// Origin names where a document stands in its source. Its fields are those of
// connectors.Origin.
type Origin struct {
	Stream    string
	Partition int32
	Offset    int64
	Next      int64 // Offset, if documents of its record come behind it
	// Row is the place, from 1 on, of a document in a record that holds several; 0 for the
	// record itself. The columns of documents batches do not have it.
	Row int64
}

// String names the document for a person.
func (o Origin) String() string {
	row := ""
	if o.Row > 0 {
		row = "#" + strconv.FormatInt(o.Row, 10)
	}
	if o.Partition < 0 {
		return o.Stream + ":" + strconv.FormatInt(o.Offset, 10) + row
	}
	return o.Stream + "/" + strconv.Itoa(int(o.Partition)) + "@" + strconv.FormatInt(o.Offset, 10) + row
}

func (d *Document) String() string {
	if d.ID == "" {
		return "document " + d.Origin.String()
	}
	return fmt.Sprintf("document %q (%s)", d.ID, d.Origin)
}

// checkTokens reports the first token outside the vocabulary.
func (d *Document) checkTokens(vocab int) error {
	for p, tok := range d.Tokens {
		if tok < 0 || int(tok) >= vocab {
			return fmt.Errorf("%s: token %d at position %d is outside the vocabulary of %d", d, tok, p, vocab)
		}
	}
	return nil
}

// The columns of a documents batch.
const (
	documentID = iota
	documentKey
	documentText
	documentTokens
	documentStream
	documentPartition
	documentOffset
	documentNext
	documentProvenance
)

// DocumentsSchema returns the schema of document batches.
func DocumentsSchema() *arrow.Schema {
	meta := schemaMetadata("documents", nil)
	return arrow.NewSchema([]arrow.Field{
		documentID:         {Name: "id", Type: arrow.BinaryTypes.String},
		documentKey:        {Name: "key", Type: arrow.PrimitiveTypes.Uint64},
		documentText:       {Name: "text", Type: arrow.BinaryTypes.Binary, Nullable: true},
		documentTokens:     {Name: "tokens", Type: listOfInt32(), Nullable: true},
		documentStream:     {Name: "stream", Type: arrow.BinaryTypes.String},
		documentPartition:  {Name: "partition", Type: arrow.PrimitiveTypes.Int32},
		documentOffset:     {Name: "offset", Type: arrow.PrimitiveTypes.Int64},
		documentNext:       {Name: "next", Type: arrow.PrimitiveTypes.Int64},
		documentProvenance: {Name: "provenance", Type: arrow.BinaryTypes.String},
	}, &meta)
}

// NewDocuments writes documents to a record batch, which the caller releases.
func NewDocuments(mem memory.Allocator, docs []Document) arrow.Record {
	b := array.NewRecordBuilder(mem, DocumentsSchema())
	defer b.Release()
	for i := range docs {
		d := &docs[i]
		b.Field(documentID).(*array.StringBuilder).Append(d.ID)
		b.Field(documentKey).(*array.Uint64Builder).Append(d.Key)
		if d.Text == nil {
			b.Field(documentText).AppendNull()
		} else {
			b.Field(documentText).(*array.BinaryBuilder).Append(d.Text)
		}
		if d.Tokens == nil {
			b.Field(documentTokens).AppendNull()
		} else {
			appendInt32s(b.Field(documentTokens), d.Tokens)
		}
		b.Field(documentStream).(*array.StringBuilder).Append(d.Origin.Stream)
		b.Field(documentPartition).(*array.Int32Builder).Append(d.Origin.Partition)
		b.Field(documentOffset).(*array.Int64Builder).Append(d.Origin.Offset)
		b.Field(documentNext).(*array.Int64Builder).Append(d.Origin.Next)
		b.Field(documentProvenance).(*array.StringBuilder).Append(d.Provenance)
	}
	return b.NewRecord()
}

// Documents reads a record batch that NewDocuments, or anyone, wrote in the schema.
// The result shares no memory with it.
func Documents(rec arrow.Record) ([]Document, error) {
	if err := checkRecord(rec, DocumentsSchema()); err != nil {
		return nil, err
	}
	docs := make([]Document, rec.NumRows())
	text := rec.Column(documentText).(*array.Binary)
	tokens := rec.Column(documentTokens).(*array.List)
	ids := tokens.ListValues().(*array.Int32).Int32Values()
	for i := range docs {
		d := &docs[i]
		d.ID = stringAt(rec, documentID, i)
		d.Key = rec.Column(documentKey).(*array.Uint64).Value(i)
		if text.IsValid(i) {
			d.Text = append([]byte{}, text.Value(i)...)
		}
		if tokens.IsValid(i) {
			start, end, err := listBounds(tokens, i)
			if err != nil {
				return nil, fmt.Errorf("documents batch, row %d, tokens: %w", i, err)
			}
			d.Tokens = append([]int32{}, ids[start:end]...)
		}
		if d.Text == nil && d.Tokens == nil {
			return nil, fmt.Errorf("documents batch, row %d (%s): text and tokens are both null; give one", i, d.ID)
		}
		d.Origin = Origin{
			Stream:    stringAt(rec, documentStream, i),
			Partition: rec.Column(documentPartition).(*array.Int32).Value(i),
			Offset:    rec.Column(documentOffset).(*array.Int64).Value(i),
			Next:      rec.Column(documentNext).(*array.Int64).Value(i),
		}
		d.Provenance = stringAt(rec, documentProvenance, i)
	}
	return docs, nil
}

// stringAt returns a copy of a string that outlives the record.
func stringAt(rec arrow.Record, column, row int) string {
	return strings.Clone(rec.Column(column).(*array.String).Value(row))
}
