// Package random fills blanks in a random order, a few at a time: the any-subset
// order without any look at the model, and the baseline of the strategies that do
// look. The order is a function of the document's key alone.
package random

import (
	"context"
	"slices"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameter.
func Info() sdk.Info {
	return sdk.Info{
		Name: "random", Version: "1.0.0",
		Doc:    "Fills random subsets of the blanks, each predicted together.",
		Params: []sdk.Param{sdk.Int("size", 4, 1, 1<<20, "positions in a subset")},
	}
}

// New returns the strategy.
func New(p sdk.Params) (sdk.Instance, error) { return planner{size: p.Int("size")}, nil }

type planner struct {
	size int // positions in a group; the last group of a document may be smaller
}

func (planner) Spec() strategy.Spec { return strategy.Spec{Name: "random", Planned: true} }

// Plan shuffles the open positions and cuts them into groups.
func (p planner) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	for i, doc := range docs {
		order := slices.Clone(doc.Open)
		seq.Shuffle(doc.Key.With(uint64(seq.PurposeOrder)), order)
		for group := range slices.Chunk(order, p.size) {
			slices.Sort(group)
			plans[i] = append(plans[i], group)
		}
	}
	return plans, ctx.Err()
}
