// Package confidence commits, in each step, the tokens of which the model is most
// sure. Sure means the probability of the token that the engine sampled, at
// temperature 1 and before filters.
//
// With size alone it takes the s surest a step: the dynamic mode of the A3 paper
// (arXiv 2601.13228). With a threshold tau it takes all with probability >= tau, and
// at least the size surest, so that every step makes progress: with size 1, the
// confidence-aware parallel decoding of Fast-dLLM (arXiv 2505.22618, algorithm 1),
// for which the authors use tau = 0.9.
//
// With a factor f it takes the m surest for the largest m such that of each r <= m the
// r-th surest has 1 - probability <= f / (r+1): the factor-based decoding of the same
// paper. Its theorem 1: if n tokens have probabilities above 1-epsilon each, and
// (n+1) epsilon <= 1, then the likeliest tokens, one by one independently, are the
// likeliest jointly. So with f below 1, without sampling, a step commits what one at a
// time would have, if the model's conditionals agree with one joint distribution.
package confidence

import (
	"context"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "confidence", Version: "1.0.0",
		Doc: "Commits the tokens of which the model is surest, a few a step, or all above a threshold or within a bound.",
		Params: []sdk.Param{
			sdk.Int("size", 1, 1, strategy.MaxWindow, "positions committed a step; with a threshold or a factor, the least number"),
			sdk.Float("threshold", 0, 0, 1, "commit all with at least this probability; 0 = off"),
			sdk.Float("factor", 0, 0, strategy.MaxWindow, "commit the r surest while (r+1) (1 - probability) stays within this; 0 = off"),
		},
	}
}

// New returns the strategy.
func New(p sdk.Params) (sdk.Instance, error) {
	s := &stepper{size: p.Int("size"), threshold: float32(p.Float("threshold")), factor: p.Float("factor")}
	if s.threshold > 0 && s.factor > 0 {
		return nil, fmt.Errorf("threshold=%g and factor=%g exclude each other: set one of them to 0", p.Float("threshold"), s.factor)
	}
	return s, nil
}

type stepper struct {
	size      int     // least number of positions committed a step, as far as proposed
	threshold float32 // 0 = off
	factor    float64 // 0 = off
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
		prob := obs.Prob[start:end]
		s.order = sdk.Descending(s.order, prob)
		for _, row := range s.order[:s.count(prob)] {
			decision.Commit = append(decision.Commit, obs.Position[start+row])
		}
		decision.CommitOffset = append(decision.CommitOffset, int32(len(decision.Commit)))
		slices.Sort(decision.Commit[decision.CommitOffset[d]:])
	}
	return decision, ctx.Err()
}

// count returns how many of the surest rows of one document are committed.
func (s *stepper) count(prob []float32) int {
	n := 0
	for n < len(prob) && (n < s.size || s.sure(n+1, prob[s.order[n]])) {
		n++
	}
	return n
}

// sure says whether the r-th surest token, from 1, is committed beyond size. What is no
// number never is.
func (s *stepper) sure(r int, prob float32) bool {
	if s.factor > 0 {
		return float64(r+1)*(1-float64(prob)) <= s.factor
	}
	return s.threshold > 0 && prob >= s.threshold
}
