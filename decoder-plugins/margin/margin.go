// Package margin commits, in each step, the tokens that are furthest ahead of the second
// best: the top probability margin of Kim et al. (arXiv 2502.06768). Where two tokens are
// both likely, the largest probability alone says little about which of them is right;
// the margin says that it is open.
//
// With size alone it takes the s positions of largest margin a step. With a threshold it
// takes all with at least that margin, and at least size.
package margin

import (
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "margin", Version: "1.0.0",
		Doc: "Commits the tokens that are furthest ahead of the second best, a few a step or all above a threshold.",
		Params: []sdk.Param{
			sdk.Int("size", 1, 1, strategy.MaxWindow, "positions committed a step; with a threshold, the least number"),
			sdk.Float("threshold", 0, 0, 1, "commit all that are ahead by at least this probability; 0 = off"),
		},
	}
}

// New returns the strategy. A size beyond the default window needs a window of that size.
func New(p sdk.Params) (sdk.Instance, error) {
	c := chooser{size: p.Int("size"), threshold: float32(p.Float("threshold"))}
	spec := strategy.Spec{Name: "margin", Columns: strategy.ColumnMargin}
	if c.size > strategy.DefaultWindow {
		spec.Window = c.size
	}
	return sdk.Stepwise(spec, c.decide), nil
}

type chooser struct {
	size      int
	threshold float32 // 0 = off
}

func (c chooser) decide(v sdk.View) strategy.Choice {
	rows := sdk.Descending(nil, v.Margin)
	n := min(c.size, len(rows))
	for n < len(rows) && c.threshold > 0 && v.Margin[rows[n]] >= c.threshold {
		n++
	}
	return v.Commit(rows[:n])
}
