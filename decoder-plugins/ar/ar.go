// Package ar fills blanks from left to right, one at a time: the autoregressive
// order, as groups of one position each.
package ar

import (
	"context"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy. It has no parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "ar", Version: "1.0.0",
		Doc: "Fills blanks from left to right, one at a time.",
	}
}

// New returns the strategy.
func New(sdk.Params) (sdk.Instance, error) { return planner{}, nil }

type planner struct{}

func (planner) Spec() strategy.Spec { return strategy.Spec{Name: "ar", Planned: true} }

// Plan makes each open position a group of its own, ascending.
func (planner) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	for i, doc := range docs {
		plans[i] = make(strategy.Plan, len(doc.Open))
		for g, position := range doc.Open {
			plans[i][g] = []int32{position}
		}
	}
	return plans, ctx.Err()
}
