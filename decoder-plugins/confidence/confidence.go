// Package confidence commits, in each step, the tokens of which the model is most
// sure. Sure means the probability of the token that the engine sampled, at
// temperature 1 and before filters.
//
// With size alone it takes the s surest a step: the dynamic mode of the A3 paper
// (arXiv 2601.13228). With a threshold tau it takes all with probability >= tau, and
// at least the size surest, so that every step makes progress: with size 1, the
// confidence-aware parallel decoding of Fast-dLLM (arXiv 2505.22618, algorithm 1),
// for which the authors use tau = 0.9.
package confidence

import (
	"cmp"
	"context"
	"slices"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "confidence", Version: "1.0.0",
		Doc: "Commits the tokens of which the model is surest, a few a step or all above a threshold.",
		Params: []sdk.Param{
			sdk.Int("size", 1, 1, strategy.MaxWindow, "positions committed a step; with a threshold, the least number"),
			sdk.Float("threshold", 0, 0, 1, "commit all with at least this probability; 0 = off"),
		},
	}
}

// New returns the strategy.
func New(p sdk.Params) (sdk.Instance, error) {
	return &stepper{size: p.Int("size"), threshold: float32(p.Float("threshold"))}, nil
}

type stepper struct {
	size      int     // least number of positions committed a step, as far as proposed
	threshold float32 // 0 = off
	order     []int   // scratch of Next: rows of one document, surest first
}

// Spec subscribes to one float32 a position. A size beyond the default window needs
// a window of that size.
func (s *stepper) Spec() strategy.Spec {
	spec := strategy.Spec{Name: "confidence", Columns: strategy.ColumnProb}
	if s.size > strategy.DefaultWindow {
		spec.Window = s.size
	}
	return spec
}

// Begin keeps nothing: a decision depends on its observation alone.
func (s *stepper) Begin(ctx context.Context, _ []strategy.Document) error { return ctx.Err() }

// End has nothing to release.
func (s *stepper) End(ctx context.Context, _ []uint64) error { return ctx.Err() }

// Next commits the surest rows of each document. Among equals the lowest position
// comes first.
func (s *stepper) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	decision := &strategy.Decision{CommitOffset: make([]int32, 1, len(obs.Doc)+1)}
	for d := range obs.Doc {
		start, end := obs.Rows(d)
		s.order = s.order[:0]
		for row := start; row < end; row++ {
			s.order = append(s.order, row)
		}
		// Stable over rows of ascending position; cmp.Compare puts NaN last.
		slices.SortStableFunc(s.order, func(a, b int) int { return cmp.Compare(obs.Prob[b], obs.Prob[a]) })
		for rank, row := range s.order {
			if rank >= s.size && (s.threshold == 0 || !(obs.Prob[row] >= s.threshold)) {
				break
			}
			decision.Commit = append(decision.Commit, obs.Position[row])
		}
		decision.CommitOffset = append(decision.CommitOffset, int32(len(decision.Commit)))
		slices.Sort(decision.Commit[decision.CommitOffset[d]:])
	}
	return decision, ctx.Err()
}
