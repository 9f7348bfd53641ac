package batching

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/core/seq"
)

// The columns of a training batch. Positions are implied: 0 to N-1 in each row.
const (
	trainStep = iota
	trainStage
	trainEpoch
	trainDoc
	trainChunk
	trainLast
	trainTokens
	trainGroup
	trainWeight
	trainStream
	trainPartition
	trainOffset
	trainAfter
	trainNext // since version 2
)

// TrainingSchema returns the schema of the training batches of a recipe.
func TrainingSchema(recipe Recipe) (*arrow.Schema, error) {
	blob, err := json.Marshal(recipe)
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	meta := schemaMetadata("training", blob)
	return arrow.NewSchema([]arrow.Field{
		trainStep:      {Name: "step", Type: arrow.PrimitiveTypes.Int64},
		trainStage:     {Name: "stage", Type: arrow.PrimitiveTypes.Int32},
		trainEpoch:     {Name: "epoch", Type: arrow.PrimitiveTypes.Uint64},
		trainDoc:       {Name: "doc", Type: arrow.PrimitiveTypes.Uint64},
		trainChunk:     {Name: "chunk", Type: arrow.PrimitiveTypes.Int32},
		trainLast:      {Name: "last", Type: arrow.FixedWidthTypes.Boolean},
		trainTokens:    {Name: "tokens", Type: listOfInt32()},
		trainGroup:     {Name: "group", Type: listOfInt32()},
		trainWeight:    {Name: "weight", Type: listOfFloat32()},
		trainStream:    {Name: "stream", Type: arrow.BinaryTypes.String},
		trainPartition: {Name: "partition", Type: arrow.PrimitiveTypes.Int32},
		trainOffset:    {Name: "offset", Type: arrow.PrimitiveTypes.Int64},
		trainAfter:     {Name: "after", Type: arrow.BinaryTypes.String, Nullable: true},
		trainNext:      {Name: "next", Type: arrow.FixedWidthTypes.Boolean},
	}, &meta), nil
}

// writtenAs returns the training schema as an older version wrote it. Version 1 had no
// column "next".
func writtenAs(schema *arrow.Schema, version int) *arrow.Schema {
	if version > 1 {
		return schema
	}
	meta := schema.Metadata()
	return arrow.NewSchema(schema.Fields()[:trainNext], &meta)
}

// upgrade returns a record of any version as one of this version, whose schema is given:
// before version 2 no row scored its content stream. The caller releases it.
func upgrade(rec arrow.Record, schema *arrow.Schema, mem memory.Allocator) arrow.Record {
	if rec.NumCols() > trainNext {
		rec.Retain()
		return rec
	}
	b := array.NewBooleanBuilder(mem)
	defer b.Release()
	for range rec.NumRows() { // one by one: a damaged file may claim any number, which mem bounds
		b.Append(false)
	}
	next := b.NewArray()
	defer next.Release()
	return array.NewRecord(schema, append(slices.Clone(rec.Columns()), next), rec.NumRows())
}

// TrainingBatch is what one optimizer step learns from: rows of document chunks,
// each with its grouping, in one Arrow record batch. It is read only.
type TrainingBatch struct {
	record   arrow.Record
	segments []seq.Segment
	rows     []Row // read once, so that a damaged column is found before anyone asks
	after    Cursor
}

// newTrainingBatch checks a record of TrainingSchema against the recipe and views
// it. It takes over the reference to rec, also when it fails.
func newTrainingBatch(rec arrow.Record, schema *arrow.Schema, recipe Recipe) (_ *TrainingBatch, err error) {
	b := &TrainingBatch{record: rec}
	defer func() {
		if err != nil {
			b.Release()
		}
	}()
	if err := checkRecord(rec, schema); err != nil {
		return nil, err
	}
	if rec.NumRows() == 0 {
		return nil, errors.New("it has no rows")
	}
	if err := b.view(recipe); err != nil {
		return nil, err
	}
	after := rec.Column(trainAfter).(*array.String)
	last := int(rec.NumRows()) - 1
	if after.IsNull(last) {
		return nil, errors.New("its last row has no cursor")
	}
	if err := decodeStrict([]byte(after.Value(last)), &b.after); err != nil {
		return nil, fmt.Errorf("cursor: %w", err)
	}
	return b, nil
}

// view slices the segments out of the lists' values, and checks them.
func (b *TrainingBatch) view(recipe Recipe) error {
	tokens := b.record.Column(trainTokens).(*array.List)
	group := b.record.Column(trainGroup).(*array.List)
	weight := b.record.Column(trainWeight).(*array.List)
	token := tokens.ListValues().(*array.Int32).Int32Values()
	id := group.ListValues().(*array.Int32).Int32Values()
	w := weight.ListValues().(*array.Float32).Float32Values()
	step, stage := b.record.Column(trainStep).(*array.Int64), b.record.Column(trainStage).(*array.Int32)
	next := b.record.Column(trainNext).(*array.Boolean)

	b.segments = make([]seq.Segment, b.record.NumRows())
	b.rows = make([]Row, b.record.NumRows())
	total := 0
	for i := range b.segments {
		if step.Value(i) != step.Value(0) || stage.Value(i) != stage.Value(0) {
			return fmt.Errorf("row %d: step %d, stage %d; row 0 has step %d, stage %d",
				i, step.Value(i), stage.Value(i), step.Value(0), stage.Value(0))
		}
		var bound [3][2]int
		for c, l := range []*array.List{tokens, group, weight} {
			start, end, err := listBounds(l, i)
			if err != nil {
				return fmt.Errorf("row %d: column %s: %w", i, b.record.ColumnName(trainTokens+c), err)
			}
			bound[c] = [2]int{start, end}
		}
		s := seq.Segment{
			Tokens: token[bound[0][0]:bound[0][1]:bound[0][1]],
			Group:  id[bound[1][0]:bound[1][1]:bound[1][1]],
			Weight: w[bound[2][0]:bound[2][1]:bound[2][1]],
			Next:   next.Value(i),
		}
		if err := checkSegment(s, recipe); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		b.segments[i], b.rows[i] = s, b.row(i)
		total += s.Len()
	}
	if total > recipe.Budget {
		return fmt.Errorf("%d positions are over the budget of %d", total, recipe.Budget)
	}
	return nil
}

// checkSegment reports what the network could not compute with.
func checkSegment(s seq.Segment, recipe Recipe) error {
	n := s.Len()
	switch {
	case len(s.Group) != n || len(s.Weight) != n:
		return fmt.Errorf("%d tokens, %d group ids, %d weights", n, len(s.Group), len(s.Weight))
	case n < 2 || n > recipe.Context:
		return fmt.Errorf("%d positions, want 2 to the context of %d", n, recipe.Context)
	case s.Tokens[0] != recipe.BOS || s.Weight[0] != 0:
		return fmt.Errorf("it starts with token %d of weight %v, want BOS, %d, of weight 0", s.Tokens[0], s.Weight[0], recipe.BOS)
	}
	for p, tok := range s.Tokens {
		switch g, w := s.Group[p], s.Weight[p]; {
		case tok < 0 || int(tok) >= recipe.Vocab:
			return fmt.Errorf("token %d at position %d is outside the vocabulary of %d", tok, p, recipe.Vocab)
		case g < 0 || int(g) >= n:
			return fmt.Errorf("group %d at position %d is outside 0 to %d", g, p, n-1)
		case !(w >= 0) || math.IsInf(float64(w), 1):
			return fmt.Errorf("weight %v at position %d is not a finite number from 0", w, p)
		}
	}
	return s.Validate(recipe.Vocab)
}

// Step returns the optimizer step that the batch is for, from 0.
func (b *TrainingBatch) Step() int { return int(b.record.Column(trainStep).(*array.Int64).Value(0)) }

// Stage returns the index of the curriculum's stage of that step.
func (b *TrainingBatch) Stage() int { return int(b.record.Column(trainStage).(*array.Int32).Value(0)) }

// Segments returns the rows as segments whose slices are those of the Arrow buffers:
// read only, and valid until Release.
func (b *TrainingBatch) Segments() []seq.Segment { return b.segments }

// Positions returns the number of positions of all rows.
func (b *TrainingBatch) Positions() int {
	total := 0
	for _, s := range b.segments {
		total += s.Len()
	}
	return total
}

// Weight returns the sum of all weights: the divisor of the step's loss.
func (b *TrainingBatch) Weight() float64 {
	var sum float64
	for _, s := range b.segments {
		for _, w := range s.Weight {
			sum += float64(w)
		}
	}
	return sum
}

// After returns the cursor behind this batch: what a checkpoint holds that was taken
// when the batch had been trained, and nothing behind it.
func (b *TrainingBatch) After() Cursor { return b.after.clone() }

// Row says where a row of a batch comes from.
type Row struct {
	Doc, Epoch uint64
	Chunk      int
	Last       bool // the document ends here
	Stream     string
	Partition  int32
	Offset     int64
}

// Row returns the provenance of the i-th segment.
func (b *TrainingBatch) Row(i int) Row { return b.rows[i] }

func (b *TrainingBatch) row(i int) Row {
	return Row{
		Doc:       b.record.Column(trainDoc).(*array.Uint64).Value(i),
		Epoch:     b.record.Column(trainEpoch).(*array.Uint64).Value(i),
		Chunk:     int(b.record.Column(trainChunk).(*array.Int32).Value(i)),
		Last:      b.record.Column(trainLast).(*array.Boolean).Value(i),
		Stream:    stringAt(b.record, trainStream, i),
		Partition: b.record.Column(trainPartition).(*array.Int32).Value(i),
		Offset:    b.record.Column(trainOffset).(*array.Int64).Value(i),
	}
}

// Record returns the batch as Arrow. It belongs to the batch: Retain it to keep it
// longer.
func (b *TrainingBatch) Record() arrow.Record { return b.record }

// Release gives the memory back. It must be called once; the segments are invalid
// from then on.
func (b *TrainingBatch) Release() {
	b.record.Release()
	b.record, b.segments, b.rows = nil, nil, nil
}
