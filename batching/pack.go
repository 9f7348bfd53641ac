package batching

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/core/order"
)

// packer makes one training batch after the other. Chunks go in as they come, until
// the next one would exceed the budget; that one starts the next batch. So the
// cursor is a place in the documents and there is nothing else to carry over.
type packer struct {
	recipe  Recipe
	course  order.Course // the recipe's curriculum, with the stages that have ended
	chunker Chunker
	schema  *arrow.Schema
	builder *array.RecordBuilder
	feed    feed
	cursor  Cursor // behind the last chunk that was packed

	current item // the document being cut
	chunk   int  // its next chunk
	count   int  // its chunks; chunk == count: read another document

	tokens []int32 // scratch for one chunk
}

func newPacker(mem memory.Allocator, recipe Recipe, taken []int, f feed, from Cursor) (*packer, error) {
	course := order.Course{Stages: recipe.Curriculum, Taken: taken}
	if err := course.Validate(); err != nil {
		return nil, err
	}
	schema, err := TrainingSchema(recipe)
	if err != nil {
		return nil, err
	}
	return &packer{
		recipe: recipe, course: course, chunker: recipe.Chunker(), schema: schema,
		builder: array.NewRecordBuilder(mem, schema), feed: f, cursor: from.clone(),
	}, nil
}

func (p *packer) release() { p.builder.Release() }

// batch packs the batch for the cursor's step. io.EOF means that no document is
// left; the batch before may have been short.
func (p *packer) batch(ctx context.Context) (*TrainingBatch, error) {
	step := p.cursor.Step
	stage, _, mixture := p.course.At(step)
	rows, used := 0, 0
	p.reserve()
	for {
		err := p.fetch(ctx)
		if errors.Is(err, io.EOF) && rows > 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		size := p.chunker.Size(len(p.current.doc.Tokens), p.chunk)
		if used+size > p.recipe.Budget {
			break
		}
		if rows > 0 {
			p.builder.Field(trainAfter).AppendNull()
		}
		p.append(step, stage, mixture)
		rows, used = rows+1, used+size
	}
	p.cursor.Step = step + 1
	after, err := json.Marshal(p.cursor)
	if err != nil {
		return nil, fmt.Errorf("cursor: %w", err)
	}
	p.builder.Field(trainAfter).(*array.StringBuilder).Append(string(after))
	batch, err := newTrainingBatch(p.builder.NewRecord(), p.schema, p.recipe)
	if err != nil {
		return nil, fmt.Errorf("batch of step %d: %w", step, err)
	}
	return batch, nil
}

// reserve makes room for a full batch at once, unless that is a lot: the buffers would grow
// to it by doubling, and be cleared and copied each time.
func (p *packer) reserve() {
	for _, column := range []int{trainTokens, trainGroup, trainWeight} {
		p.builder.Field(column).(*array.ListBuilder).ValueBuilder().Reserve(min(p.recipe.Budget, 1<<18))
	}
}

// fetch makes p.chunk name a chunk to pack.
func (p *packer) fetch(ctx context.Context) error {
	for p.chunk == p.count {
		it, err := p.feed.read(ctx)
		if err != nil {
			return err
		}
		if err := it.doc.checkTokens(p.recipe.Vocab); err != nil {
			return err
		}
		count := p.chunker.Count(len(it.doc.Tokens))
		done := p.cursor.done(it)
		if done > count {
			return fmt.Errorf("%s has %d chunks, but the cursor stands behind %d; the document or the context has changed", &it.doc, count, done)
		}
		p.current, p.chunk, p.count = it, done, count
		if done == count { // an empty document
			p.cursor.advance(it, count, count)
		}
	}
	return nil
}

// append writes the current chunk as a row, but for its column "after", and moves on.
func (p *packer) append(step, stage int, mixture order.Mixture) {
	doc, epoch := &p.current.doc, p.current.epoch
	tokens, last := p.chunker.Append(p.tokens[:0], doc.Tokens, p.chunk)
	p.tokens = tokens
	key := order.Key(p.recipe.Seed, epoch, doc.Key, p.chunk)
	segment := mixture.Sample(key, tokens, p.recipe.Given)

	b := p.builder
	b.Field(trainStep).(*array.Int64Builder).Append(int64(step))
	b.Field(trainStage).(*array.Int32Builder).Append(int32(stage))
	b.Field(trainEpoch).(*array.Uint64Builder).Append(epoch)
	b.Field(trainDoc).(*array.Uint64Builder).Append(doc.Key)
	b.Field(trainChunk).(*array.Int32Builder).Append(int32(p.chunk))
	b.Field(trainLast).(*array.BooleanBuilder).Append(last)
	appendInt32s(b.Field(trainTokens), segment.Tokens)
	appendInt32s(b.Field(trainGroup), segment.Group)
	appendFloat32s(b.Field(trainWeight), segment.Weight)
	b.Field(trainNext).(*array.BooleanBuilder).Append(segment.Next)
	b.Field(trainStream).(*array.StringBuilder).Append(doc.Origin.Stream)
	b.Field(trainPartition).(*array.Int32Builder).Append(doc.Origin.Partition)
	b.Field(trainOffset).(*array.Int64Builder).Append(doc.Origin.Offset)

	p.chunk++
	p.cursor.advance(p.current, p.chunk, p.count)
}
