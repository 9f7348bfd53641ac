package jobs

import (
	"context"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/score"
	"github.com/any-order/a3/tokenize"
)

// Score is the job that reports how probable the model finds a text, from left to
// right.
type Score struct {
	Options   score.Options
	Codec     *infill.Codec
	Tokenizer *tokenize.Tokenizer
	Engine    *decode.Engine
	Batched   Batched // nil = nobody asks

	encoder *tokenize.Encoder
}

// NewScore completes a job.
func NewScore(s Score) *Score {
	s.encoder = s.Tokenizer.NewEncoder()
	return &s
}

// Prepare implements pipeline.Job.
func (s *Score) Prepare(item *pipeline.Item) {
	opts := s.Options
	opts.Plain = opts.Plain || item.Delivery.IsText()
	doc, err := score.Parse(item.Delivery.Value, opts)
	if err != nil {
		item.Err = err
		return
	}
	task, err := s.Codec.Encode(s.encoder, doc)
	if err != nil {
		item.Err = err
		return
	}
	item.Task = task
}

// Compute implements pipeline.Job.
func (s *Score) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	for {
		items := gather(ctx, in, batchRows)
		if len(items) == 0 {
			return ctx.Err()
		}
		s.Batched.tell(len(items))
		segments := make([]seq.Segment, len(items))
		for i, item := range items {
			segments[i] = score.Segment(item.Task.(*infill.Task))
		}
		logProbs, err := s.Engine.Score(ctx, segments)
		if err != nil {
			return err
		}
		for i, item := range items {
			item.Guard(func() {
				item.Output, item.Err = score.Output(item.Task.(*infill.Task), logProbs[i], s.Options)
			})
			item.Note.Tokens, item.Note.ModelCalls = segments[i].Len()-1, 1
			if err := done(item); err != nil {
				return err
			}
		}
	}
}
