// Package groups fills blanks in groups of a fixed size, each predicted together: the
// group-wise factorisation of the A3 paper (arXiv 2601.13228), which is the same in
// training and in decoding. With size 1 it is one blank at a time.
//
// Groups are neighbours in the order of the blanks: given text may stand between them.
// The strategy random forms its groups of positions from all over the document instead.
package groups

import (
	"context"
	"slices"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// The orders of groups.
const (
	contiguous = "contiguous" // from left to right
	permuted   = "permuted"   // the same groups, in a random order
	bothSided  = "both-sided" // from both ends of a run of blanks towards its middle
)

// Info describes the strategy and its parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "groups", Version: "1.0.0",
		Doc: "Fills neighbouring blanks together, in groups of a fixed size.",
		Params: []sdk.Param{
			sdk.Int("size", 4, 1, 1<<20, "positions in a group; the last one may have fewer"),
			sdk.Enum("order", "from left to right, in a random order, or from both ends of each run of blanks to its middle",
				contiguous, permuted, bothSided),
		},
	}
}

// New returns the strategy.
func New(p sdk.Params) (sdk.Instance, error) {
	return planner{size: p.Int("size"), order: p.String("order")}, nil
}

type planner struct {
	size  int // positions in a group
	order string
}

func (planner) Spec() strategy.Spec { return strategy.Spec{Name: "groups", Planned: true} }

// Plan orders the open positions and cuts them into groups.
func (p planner) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	for i, doc := range docs {
		order := slices.Clone(doc.Open)
		if p.order == bothSided {
			order = inward(doc.Open)
		}
		for group := range slices.Chunk(order, p.size) {
			slices.Sort(group)
			plans[i] = append(plans[i], group)
		}
		if p.order == permuted {
			seq.Shuffle(doc.Key.With(uint64(seq.PurposeOrder)), plans[i])
		}
	}
	return plans, ctx.Err()
}

// inward returns the open positions run by run, each from its two ends to its middle,
// left end first: what is filled next always borders on what is known.
func inward(open []int32) []int32 {
	order := make([]int32, 0, len(open))
	for start := 0; start < len(open); {
		end := start + 1
		for end < len(open) && open[end] == open[end-1]+1 {
			end++
		}
		for left, right := start, end-1; left <= right; left, right = left+1, right-1 {
			order = append(order, open[left])
			if left < right {
				order = append(order, open[right])
			}
		}
		start = end
	}
	return order
}
