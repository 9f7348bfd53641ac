// Package entropy commits, in each step, the tokens about which the model is least in
// doubt, as many as a bound on their joint error allows: the entropy-bounded sampler
// (Ben-Hamu et al., arXiv 2505.24857).
//
// Tokens that are committed together are drawn independently of each other. How much
// that loses, the divergence of the product of their distributions from the joint one, is
// at most the sum of their entropies without the largest. So a step takes the positions
// of least entropy while that sum stays within the bound. One position alone has the sum
// zero: every step makes progress.
//
// Entropies are the model's own, in nats, at temperature 1. With bound 0 and a size it is
// the dynamic mode of the A3 paper (arXiv 2601.13228) by entropy: the s positions of least
// entropy, and those without any.
package entropy

import (
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "entropy", Version: "1.0.0",
		Doc: "Commits the tokens about which the model is least in doubt, as many as a bound on their joint error allows.",
		Params: []sdk.Param{
			sdk.Float("bound", 0.1, 0, 1<<20, "nats: the entropies of a step without the largest sum to no more"),
			sdk.Int("size", 1, 1, strategy.MaxWindow, "least number of positions committed a step"),
		},
	}
}

// New returns the strategy. A size beyond the default window needs a window of that size.
func New(p sdk.Params) (sdk.Instance, error) {
	c := chooser{bound: p.Float("bound"), size: p.Int("size")}
	spec := strategy.Spec{Name: "entropy", Columns: strategy.ColumnEntropy}
	if c.size > strategy.DefaultWindow {
		spec.Window = c.size
	}
	return sdk.Stepwise(spec, c.decide), nil
}

type chooser struct {
	bound float64 // of the sum, in nats
	size  int
}

func (c chooser) decide(v sdk.View) strategy.Choice {
	rows := sdk.Ascending(nil, v.Entropy)
	return v.Commit(rows[:c.count(v.Entropy, rows)])
}

// count returns how many of the rows, which ascend by entropy, are committed. The largest
// entropy of the first n is that of the last of them.
func (c chooser) count(entropy []float32, rows []int) int {
	n, sum := 0, 0.0 // entropies of the first n
	for n < len(rows) && (n < c.size || sum <= c.bound && entropy[rows[n]] == entropy[rows[n]]) {
		sum += float64(entropy[rows[n]])
		n++
	}
	return n
}
