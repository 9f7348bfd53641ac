package decode

import (
	"context"
	"fmt"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/seq"
)

// Score returns, for every segment, the log-probability of each position with a weight,
// [N] with zeros elsewhere: p(token | all earlier groups), the model's own, in nats.
// Their sum is the exact log-likelihood under the segment's groups. A segment may score
// its content rows (seq.Segment.Next): then it is that of the plain Llama.
func (e *Engine) Score(ctx context.Context, segments []seq.Segment) ([][]float64, error) {
	for i, s := range segments {
		if err := s.Validate(e.model.Config.Vocab); err != nil {
			return nil, fmt.Errorf("score segment %d: %w", i, err)
		}
		if n := e.model.Config.MaxPositions; s.Len() > n {
			return nil, fmt.Errorf("score segment %d: it has %d positions, the model takes at most %d: cut it or use a model with a longer context", i, s.Len(), n)
		}
	}
	out := make([][]float64, len(segments))
	err := parallel.Each(ctx, e.workers, len(segments), func(w *worker, i int) {
		w.batch.Reset()
		w.batch.AddSegment(segments[i])
		out[i] = make([]float64, segments[i].Len())
		for j, lp := range w.ws.LogProbs(&w.batch) {
			if w.batch.Weight[j] != 0 {
				out[i][w.batch.Predicts(j)] = lp
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
