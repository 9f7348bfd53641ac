package batching

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/core/seq"
)

// DecodeRow is one document of a decode batch.
type DecodeRow struct {
	Doc    uint64 // document key
	Canvas *seq.Canvas
}

// The columns of a decode batch.
const (
	decodeDoc = iota
	decodeTokens
	decodeGroup
)

// DecodeSchema returns the schema of decode batches. A given position has group 0,
// an open one has group null, and token 0: the strategy's plan fills the rest.
func DecodeSchema() *arrow.Schema {
	meta := schemaMetadata("decode", nil)
	return arrow.NewSchema([]arrow.Field{
		decodeDoc:    {Name: "doc", Type: arrow.PrimitiveTypes.Uint64},
		decodeTokens: {Name: "tokens", Type: listOfInt32()},
		decodeGroup:  {Name: "group", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32)},
	}, &meta)
}

// NewDecodeBatch writes canvases to a record batch, which the caller releases.
// Their columns must be of equal length (seq.Canvas.Validate).
func NewDecodeBatch(mem memory.Allocator, rows []DecodeRow) arrow.Record {
	b := array.NewRecordBuilder(mem, DecodeSchema())
	defer b.Release()
	tokens := b.Field(decodeTokens).(*array.ListBuilder)
	group := b.Field(decodeGroup).(*array.ListBuilder)
	token, id := tokens.ValueBuilder().(*array.Int32Builder), group.ValueBuilder().(*array.Int32Builder)
	for _, row := range rows {
		b.Field(decodeDoc).(*array.Uint64Builder).Append(row.Doc)
		tokens.Append(true)
		group.Append(true)
		for p, blank := range row.Canvas.Blank {
			if blank {
				token.Append(0)
				id.AppendNull()
			} else {
				token.Append(row.Canvas.Tokens[p])
				id.Append(0)
			}
		}
	}
	return b.NewRecord()
}

// DecodeRows reads a decode batch. The canvases share no memory with it, for
// decoding fills them. Token ids are for seq.Canvas.Validate to check.
func DecodeRows(rec arrow.Record) ([]DecodeRow, error) {
	if err := checkRecord(rec, DecodeSchema()); err != nil {
		return nil, err
	}
	doc := rec.Column(decodeDoc).(*array.Uint64)
	tokens, group := rec.Column(decodeTokens).(*array.List), rec.Column(decodeGroup).(*array.List)
	token, id := tokens.ListValues().(*array.Int32), group.ListValues().(*array.Int32)
	if token.NullN() > 0 {
		return nil, fmt.Errorf("decode batch: column tokens has null tokens; write 0 at open positions")
	}
	rows := make([]DecodeRow, rec.NumRows())
	for i := range rows {
		from, to, err := listBounds(tokens, i)
		if err != nil {
			return nil, fmt.Errorf("decode batch, row %d, tokens: %w", i, err)
		}
		first, last, err := listBounds(group, i)
		if err != nil {
			return nil, fmt.Errorf("decode batch, row %d, group: %w", i, err)
		}
		if last-first != to-from {
			return nil, fmt.Errorf("decode batch, row %d: %d tokens but %d group ids", i, to-from, last-first)
		}
		c := seq.NewCanvas(append([]int32{}, token.Int32Values()[from:to]...)...)
		for p := range c.Blank {
			if id.IsNull(first + p) {
				c.Blank[p], c.Tokens[p] = true, 0
			} else if g := id.Value(first + p); g != 0 {
				return nil, fmt.Errorf("decode batch, row %d, position %d: group %d; a given position has group 0, an open one null", i, p, g)
			}
		}
		rows[i] = DecodeRow{Doc: doc.Value(i), Canvas: c}
	}
	return rows, nil
}
