// Package jobs binds the meaning of records (packages infill, rewrite, score) to the
// engine: each job here is a pipeline.Job.
package jobs

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/explain"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/tokenize"
)

// batchRows is how many documents one Arrow batch of canvases holds at most.
const batchRows = 32

// Fill is the job of infill and of rewrite: blanks are found in a record and filled by
// the engine.
type Fill struct {
	// Parse reads a record; plain says that its value is text, not JSON. A document
	// without blanks passes unchanged.
	Parse     func(value []byte, plain bool) (*infill.Document, error)
	Codec     *infill.Codec
	Tokenizer *tokenize.Tokenizer
	Vocab     int // of the model; at least the tokenizer's
	Engine    *decode.Engine
	Strategy  decode.Decider
	Mem       memory.Allocator // of the Arrow batches
	Batched   Batched          // nil = nobody asks
	Explain   *explain.Writer  // of an engine that traces; nil = nobody asks

	encoder *tokenize.Encoder
	leading *decode.TokenSet
}

// Batched is told of the documents of each batch, and how many it may hold.
type Batched func(documents, most int)

func (b Batched) tell(documents int) {
	if b != nil {
		b(documents, batchRows)
	}
}

// NewFill completes a job.
func NewFill(f Fill) *Fill {
	f.encoder = f.Tokenizer.NewEncoder()
	f.leading = decode.NewTokenSet(f.Vocab, f.Tokenizer.TokensStartingWith(' '))
	return &f
}

// Banned returns the tokens of a model's vocabulary that no blank may take: special ones
// and those without a text.
func Banned(tok *tokenize.Tokenizer, vocab int) []int32 {
	var ids []int32
	for id := range int32(vocab) {
		if tok.IsSpecial(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Prepare implements pipeline.Job.
func (f *Fill) Prepare(item *pipeline.Item) {
	doc, err := f.Parse(item.Delivery.Value, item.Delivery.IsText())
	if err != nil {
		item.Err = err
		return
	}
	if len(doc.Blanks) == 0 {
		item.Output, item.Note.Unchanged = doc.Record.Unchanged(), true
		return
	}
	task, err := f.Codec.Encode(f.encoder, doc)
	if err != nil {
		item.Err = err
		return
	}
	item.Task = task
	for _, blank := range task.Canvas.Blank {
		if !blank {
			item.Note.Given++
		}
	}
}

// Compute implements pipeline.Job.
func (f *Fill) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	documents := make(chan *decode.Document, batchRows)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(documents)
		return f.batches(ctx, in, documents)
	})
	g.Go(func() error {
		return f.Engine.Run(ctx, documents, f.Strategy, func(r *decode.Result) error {
			item := r.Document.Tag.(*pipeline.Item)
			item.Guard(func() { f.finish(item, r) })
			return done(item)
		})
	})
	return g.Wait()
}

// batches gathers what is waiting into Arrow batches of canvases, and hands the engine
// their rows.
func (f *Fill) batches(ctx context.Context, in <-chan *pipeline.Item, out chan<- *decode.Document) error {
	for {
		items := gather(ctx, in, batchRows)
		if len(items) == 0 {
			return ctx.Err()
		}
		f.Batched.tell(len(items))
		rows := make([]batching.DecodeRow, len(items))
		for i, item := range items {
			task := item.Task.(*infill.Task)
			rows[i] = batching.DecodeRow{Doc: task.Key, Canvas: task.Canvas}
		}
		rec := batching.NewDecodeBatch(f.Mem, rows)
		rows, err := batching.DecodeRows(rec)
		rec.Release()
		if err != nil {
			return fmt.Errorf("read back a batch of canvases: %w", err)
		}
		for i, item := range items {
			doc := &decode.Document{Key: rows[i].Doc, Canvas: rows[i].Canvas, Tag: item}
			if list := item.Task.(*infill.Task).Constraints; len(list) > 0 {
				doc.Allow = make(map[int32]*decode.TokenSet, len(list))
				for _, c := range list {
					if c.Kind == infill.LeadingSpace {
						doc.Allow[c.Position] = f.leading
					}
				}
			}
			select {
			case out <- doc:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (f *Fill) finish(item *pipeline.Item, r *decode.Result) {
	if r.Err != nil {
		item.Err = r.Err
		return
	}
	item.Output, item.Err = f.Codec.Output(item.Task.(*infill.Task), &infill.Result{
		Tokens: r.Tokens, LogProb: r.LogProb, Order: r.Order,
		Steps: r.Steps, ModelCalls: r.ModelCalls, Rows: r.Rows, Reopened: r.Reopened,
	})
	for _, group := range r.Groups {
		item.Note.Tokens += len(group)
	}
	item.Note.ModelCalls = r.ModelCalls
	if f.Explain != nil && item.Err == nil {
		item.Explanation = f.Explain.Document(f.explanation(item, r))
	}
}

// gather waits for an item and takes up to n that are there; none means that in is
// closed or ctx has ended.
func gather(ctx context.Context, in <-chan *pipeline.Item, n int) (items []*pipeline.Item) {
	select {
	case item, ok := <-in:
		if !ok {
			return nil
		}
		items = append(items, item)
	case <-ctx.Done():
		return nil
	}
	for len(items) < n {
		select {
		case item, ok := <-in:
			if !ok {
				return items
			}
			items = append(items, item)
		default:
			return items
		}
	}
	return items
}
